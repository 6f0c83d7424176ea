"""Rules of English in core@2: hard sentences, articles, case, other languages, letters with marks."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.corruptions.text.english import takes_an
from mafs_bench.errors import UsageError
from mafs_bench.language import language_of, require_code

CORE = suites.load("core@2").corruptions
ENGLISH = (
    "synonym", "word_insertion", "formal", "casual", "passive", "active", "negation", "antonym", "colour_swap",
    "number_swap", "spatial_swap", "redundant_context",
)  # fmt: skip
DATA = Path(__file__).parents[3] / "shared" / "data"


def at_five(name: str, text: str, language: str = "") -> str | None:
    return corrupt_text(text, CORE[name], (5,), seed=0, sample_id="x", language=language)[0]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("negation", "A dog sits on a bed.", "A dog does not sit on a bed."),
        ("negation", "Two dogs run on the beach.", "Two dogs do not run on the beach."),
        ("negation", "There is a dog on the sofa.", "There is no dog on the sofa."),
        ("negation", "Is there a dog?", "Is there no dog?"),
        ("negation", "What is the man holding?", "What is the man not holding?"),
        (
            "negation",
            "A PICTURE WITH HORSES FLYING IN THE SKY.",
            "A PICTURE WITH HORSES NOT FLYING IN THE SKY.",
        ),
        ("negation", "A dog that is not running.", None),
        ("negation", "A dog isn't running on the grass.", None),
        ("negation", "Nobody is in the room.", None),
        ("negation", "A street without cars.", None),
        ("formal", "A TV on a stand.", "A television on a stand."),
        ("formal", "A hot dog with mustard on a bun.", None),
        ("formal", "A man-made lake.", None),
        ("formal", "A plate is sitting on a table.", None),
        ("casual", "A dog that is running.", "A pooch that's running."),
        ("casual", "Two hot dogs on a plate.", None),
        ("casual", "A picture frame on a wall.", None),
        ("passive", "An old man is riding a bike.", "A bike is being ridden by an old man."),
        ("passive", "Two men ride horses on the beach.", "Horses are ridden by two men on the beach."),
        ("passive", "A man is brushing his teeth.", None),
        ("passive", "A woman cooking food in a pan.", None),
        ("passive", "A man gives a boy a ball.", None),
        ("passive", "A man and his wife are eating pizza and drinking wine.", None),
        ("active", "A horse is being ridden by a man.", "A man is riding a horse."),
        ("active", "A dog is followed by two cats.", "Two cats follow a dog."),
        ("active", "A dog runs through the grass chased by a cat.", None),
        ("active", "The photo was taken by night.", None),
        ("synonym", "A TV in the corner.", "A television in the corner."),
        ("synonym", "A large rocky hill.", "A big stony hill."),
        ("synonym", "A car park near a bike shop.", None),
        ("synonym", "A hot dog on a plate.", None),
        ("antonym", "A large hot dog.", "A small hot dog."),
        ("antonym", "An open field.", None),
        ("colour_swap", "A black and white photo of a man.", None),
        ("colour_swap", "A black man with an orange juice.", None),
        ("number_swap", "A two-story house.", None),
        ("number_swap", "One of the two.", None),
        ("spatial_swap", "He turned on the TV.", None),
        ("spatial_swap", "A cat on top of a car.", "A cat underneath a car."),
    ],
)
def test_sentences(name: str, text: str, wanted: str | None) -> None:
    assert at_five(name, text, "en") == wanted


@pytest.mark.parametrize("text", ["A dog sits on a bed.", "A red bus on a street", "There is a dog."])
def test_negation_denies_once_and_then_no_more(text: str) -> None:
    denied = at_five("negation", text)
    assert denied is not None
    assert len(re.findall(r"\bnot?\b", denied, re.IGNORECASE)) == 1
    assert at_five("negation", denied) is None


def test_the_article_follows_the_new_word() -> None:
    made = {
        corrupt_text("A red bus.", CORE["colour_swap"], (5,), seed=seed, sample_id="x")[0]
        for seed in range(60)
    }
    assert {"An orange bus.", "A blue bus."} <= made
    assert not {text for text in made if text and re.match(r"A [aeio]|An [^aeio]", text)}


@pytest.mark.parametrize("word", ["apple", "hour", "umbrella", "8", "11", "MRI", "honest", "unidentified"])
def test_an(word: str) -> None:
    assert takes_an(word)


@pytest.mark.parametrize(
    "word", ["dog", "unicycle", "one", "used", "European", "TV", "utensil", "uniform", "12"]
)
def test_a(word: str) -> None:
    assert not takes_an(word)


OTHERS = {
    "de": "Ein Mädchen öffnet die Tür und ein Hund ist auf dem Bett.",
    "fr": "Un homme monte à cheval sur la plage avec son chien.",
    "es": "Un hombre monta un caballo en la playa con su perro.",
    "zh": "一只棕色的狗在草地上奔跑。",
    "ar": "رجل يركب حصانًا على الشاطئ",
    "hi": "एक आदमी समुद्र तट पर घोड़े की सवारी कर रहा है",
    "th": "ผู้ชายขี่ม้าบนชายหาด",
    "ko": "한 남자가 해변에서 말을 타고 있다",
    "ja": "男性がビーチで馬に乗っている",
    "ru": "Мужчина едет на большой лошади у моря",
    "tr": "Bir adam ve bir kadın köprü üzerinde yürüyor",
}


@pytest.mark.parametrize(("language", "text"), OTHERS.items())
def test_rules_of_english_are_not_applicable_elsewhere(language: str, text: str) -> None:
    assert language_of([text]) == language
    assert [name for name in ENGLISH if at_five(name, text) is not None] == []
    assert [name for name in ENGLISH if at_five(name, "A man rides a red horse.", language) is not None] == []


def test_a_language_is_decided_over_all_texts() -> None:
    assert language_of(["Dogs!", "Two dogs running on the beach", "Bus"]) == "en"
    assert language_of(["rouge", "42", "..."]) == "und"
    with pytest.raises(UsageError, match="ISO 639-1"):
        require_code("English")


@pytest.mark.parametrize("name", [name for name, block in CORE.items() if block.modality == "text"])
@pytest.mark.parametrize("text", [OTHERS["hi"], unicodedata.normalize("NFD", OTHERS["de"]), OTHERS["th"]])
def test_marks_stay_on_letters(name: str, text: str) -> None:
    made = at_five(name, text)
    if made is None:
        return
    made = made.replace("\ufe0f", "")  # of an emoji
    before = [made[i - 1] for i, letter in enumerate(made) if unicodedata.category(letter)[0] == "M"]
    assert all(unicodedata.category(letter)[0] in "LM" for letter in before)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("name", [name for name in ENGLISH if name != "redundant_context"])
def test_no_wrong_article_is_introduced(name: str) -> None:
    wrong = re.compile(r"\b(?:a [aeio]\w|an [bcdfgjklmnpqrstvwyz])", re.IGNORECASE)
    images = json.loads((DATA / "coco-mini" / "dataset_coco.json").read_text())["images"]
    captions = [sentence["raw"].strip() for image in images for sentence in image["sentences"]]
    for number, caption in enumerate(captions):
        for made in corrupt_text(caption, CORE[name], (1, 5), seed=0, sample_id=str(number), language="en"):
            assert made is None or len(wrong.findall(made)) <= len(wrong.findall(caption)), (caption, made)
