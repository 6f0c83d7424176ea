"""Captions that are not English against pycocoevalcap: its tokenizer on sentences and characters, its CIDEr-D."""

from __future__ import annotations

import shutil
import unicodedata

import numpy as np
import pytest

from mafs_bench.metrics.caption_tokens import tokenize
from mafs_bench.metrics.captioning import caption_statistics

pytest.importorskip("pycocoevalcap", reason="pycocoevalcap is not installed")
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java")

SENTENCES = [
    "एक आदमी घोड़े पर सवार है और बच्चे खेल रहे हैं।",
    "दो कुत्ते बर्फ़ में दौड़ रहे हैं, एक लाल है",
    "رَجُلٌ يَرْكَبُ حِصَانًا فِي الْحَقْلِ",
    "رجل يركب حصانا في الحقل، والكلب يجري؟ ٣ كلاب",
    "ein Mädchen fährt über die Straße mit größeren Hunden",
    "Ein Bär läuft durch Öl; Übung macht den Meister.",
    "a man 🏃 running 👍🏽 fast 👨\u200d👩\u200d👧 family 🇩🇪 flag",
    "ein Hund springt 😀 ins Wasser ❤️ schön",
    "un garçon joue au ballon à l'école, c'est l'été et j'ai chaud, aujourd'hui s'il pleut",
    "l’homme qu’il voit, quelqu'un n'est pas là, J'aime l’eau d’été",
    "el niño está jugando en la playa ¿verdad? ¡sí!",
    "dell'acqua e un’altra, perché no? «così»",
    "男人在骑马，一只狗在跑。",
    "男の人が馬に乗っています・ねこ",
    "남자가 말을 타고 있다",
    "ชายคนหนึ่งกำลังขี่ม้า",
    "мужчина едет на лошади, а собака бежит по № 5",
    "ο άντρας καβαλάει ένα άλογο",
    "איש רוכב על סוס, ״כלב״",
    "người đàn ông cưỡi ngựa trên bãi cỏ",
    "İstanbul'da bir köpek ıslak",
    "ஒரு மனிதன் குதிரை சவாரி செய்கிறான்",
    "একজন মানুষ ঘোড়ায় চড়ছে",
    "mężczyzna jedzie na koniu żółty",
    "z̈ebra q̃uick combining x̂ŷ naïve-looking Björk's dog's",
    "a b\u200bc d\xa0e soft\xadhyphen well‑known ﬁne ½ cup ⅓ ™ © § 3×4 → a←b ３ ｄｏｇｓ",
    "rock ’n’ roll of the ’90s, o’clock, ma’am, y’all, don’t it’s they’re",
]


def java(captions: list[str]) -> list[tuple[str, ...]]:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    found = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(captions)})
    return [tuple(found[i][0].split()) for i in range(len(captions))]


@needs_java
def test_sentences_of_other_languages() -> None:
    composed = [unicodedata.normalize("NFC", text) for text in SENTENCES]
    assert [tokenize(text) for text in composed] == java(composed)


def test_decomposed_text_is_the_same_text() -> None:
    for text in SENTENCES:
        assert tokenize(unicodedata.normalize("NFD", text)) == tokenize(unicodedata.normalize("NFC", text))


@needs_java
@pytest.mark.slow
@pytest.mark.parametrize("form", ["ab{}cd", "x {} y", "no {}ab", "ab{} no"])
def test_every_character(form: str) -> None:
    """Characters that change when composed are left out, and those that end a line."""
    whole = [chr(c) for c in [*range(0x80, 0xD800), *range(0xE000, 0x10000), *range(0x1F300, 0x1F700)]]
    texts = [form.format(c) for c in whole if unicodedata.category(c) != "Cn" and c not in "\x85\u2028\u2029"]
    texts = [text for text in texts if unicodedata.normalize("NFC", text) == text]
    pairs = zip(texts, map(tokenize, texts), java(texts), strict=True)
    assert [pair for pair in pairs if " ".join(pair[1]).split() != list(pair[2])] == []
    assert len(texts) > 50_000


@needs_java
def test_cider_of_other_languages() -> None:
    from pycocoevalcap.cider.cider import Cider

    n = len(SENTENCES)
    references = [[text, f"{text} {SENTENCES[(i + 1) % n]}"] for i, text in enumerate(SENTENCES)]
    captions = [" ".join([*text.split()[1:], "a dog"]) for text in SENTENCES]
    ours = caption_statistics([unicodedata.normalize("NFD", text) for text in captions], references)["score"]

    composed = [
        unicodedata.normalize("NFC", text) for text in [*captions, *(t for own in references for t in own)]
    ]
    spelled = [" ".join(tokens) for tokens in java(composed)]
    given = {i: [spelled[i]] for i in range(n)}
    truth = {i: spelled[n + 2 * i : n + 2 * i + 2] for i in range(n)}
    _, theirs = Cider().compute_score(truth, given)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
