"""What the word, phrase, sentence and unicode corruptions do, by example."""

from __future__ import annotations

import gzip
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text import length, phrases, sentences, unicode, words
from mafs_bench.corruptions.text.compile_wordnet import TABLE
from mafs_bench.corruptions.text.tagging import inflect, match_case, related, tagged
from mafs_bench.seeding import KeyedStream

CAPTION = "A young man is riding two brown horses on the left side of a wide beach ."
ALL = [{"rate": 1.0}]


def everywhere(operator: TextOperator, text: str, seed: int = 0, rate: float = 1.0) -> str | None:
    levels = [{"rate": rate}]
    return operator.apply(text, operator.sample(KeyedStream(seed, "s", "c", "i"), text, levels), levels[0])


@pytest.mark.parametrize(
    ("active", "passive"),
    [
        ("A man is riding a horse on the beach .", "A horse is being ridden by a man on the beach ."),
        ("Two dogs carry a ball .", "A ball is carried by two dogs ."),
        ("The boy with the hat eats apples", "Apples are eaten by the boy with the hat"),
        ("A girl climbing the stairs .", "The stairs being climbed by a girl ."),
        ("The black dog jumped the log .", "The log was jumped by the black dog ."),
        ("She holds him .", "He is held by her ."),
        ("A dog runs on the grass .", None),
        ("Two girls .", None),
        ("", None),
    ],
)
def test_passive(active: str, passive: str | None) -> None:
    assert everywhere(sentences.passive, active) == passive


@pytest.mark.parametrize(
    ("passive", "active"),
    [
        ("A horse is being ridden by a man .", "A man is riding a horse ."),
        ("The children are watched by an old woman", "An old woman watches the children"),
        ("A sleigh driven by a woman .", "A sleigh that a woman drives ."),
        ("A field surrounded by trees", "A field that trees surround"),
        ("A dog runs .", None),
    ],
)
def test_active(passive: str, active: str | None) -> None:
    assert everywhere(sentences.active, passive) == active


@pytest.mark.parametrize(
    ("said", "denied"),
    [
        ("A dog is running .", "A dog is not running ."),
        ("A dog running on grass .", "A dog not running on grass ."),
        ("A dog runs on grass .", "A dog does not run on grass ."),
        ("A dog on the grass .", "No dog on no grass ."),
        ("Grass .", None),
    ],
)
def test_negation(said: str, denied: str | None) -> None:
    assert everywhere(sentences.negation, said) == denied


def test_synonyms_are_inflected_and_keep_their_case() -> None:
    assert related("stairs", "NNS", "synonyms") == ("steps",)
    assert related("big", "JJ", "antonyms") == ("little",)
    assert related("is", "VBZ", "synonyms") == ()
    assert related("Boston", "NNP", "synonyms") == ()
    assert inflect("go up", "VBG") == "going up"
    assert everywhere(words.synonym, "Small stairs") == "Little steps"
    assert (match_case("cat", "Dog"), match_case("cat", "DOG"), match_case("cat", "A")) == (
        "Cat",
        "CAT",
        "Cat",
    )


def test_tags_are_aligned_with_the_text() -> None:
    text = "The girl's dog isn't at https://a.b/c (A) ."
    found = {token.word: token.tag for token in tagged(text) if token.editable}
    assert found["girl"] == found["dog"] == "NN"
    assert "https" not in found
    assert all(text[token.start : token.end] == token.word for token in tagged(text))


@pytest.mark.parametrize("seed", range(3))
def test_counts_of_words(seed: int) -> None:
    n, before = 16, CAPTION.split()
    assert everywhere(words.word_deletion, CAPTION, seed, 0.25).split().__len__() == len(before) - n // 4
    inserted = everywhere(words.word_insertion, CAPTION, seed, 0.25)
    assert inserted is not None
    assert len(inserted.split()) >= len(before) + n // 4
    marked = everywhere(words.punctuation, CAPTION, seed, 0.25)
    assert marked is not None
    assert [word for word in marked.split() if word.isalpha()] == [word for word in before if word.isalpha()]
    assert len(marked.split()) == len(before) + n // 4
    swapped = everywhere(words.word_swap, CAPTION, seed, 0.25)
    assert swapped is not None
    assert sorted(swapped.split()) == sorted(before)
    assert sum(a != b for a, b in zip(swapped.split(), before, strict=True)) == 4
    merged = everywhere(words.word_merge, CAPTION, seed, 0.25)
    split = everywhere(words.word_split, CAPTION, seed, 0.25)
    assert merged is not None
    assert split is not None
    assert (len(merged.split()), len(split.split())) == (len(before) - 4, len(before) + 4)
    assert merged.replace(" ", "") == split.replace(" ", "") == CAPTION.replace(" ", "")


def test_one_word_always_stays() -> None:
    for operator in (words.word_deletion, words.text_token_dropout, length.truncation):
        made = everywhere(operator, "three little words")
        assert made is not None
        assert len(made.split()) == 1


def test_truncation_cuts_at_the_end() -> None:
    assert everywhere(length.truncation, CAPTION, rate=0.25) == (
        "A young man is riding two brown horses on the left side ."
    )


def test_redundant_context_is_appended_and_nested() -> None:
    levels = [{"sentences": k} for k in (1, 2, 5)]
    draws = length.redundant_context.sample(KeyedStream(0, "s", "c", "i"), CAPTION, levels)
    made = [length.redundant_context.apply(CAPTION, draws, level) for level in levels]
    assert made[0].startswith(CAPTION + " ")
    assert made[1].startswith(made[0])
    assert made[2].startswith(made[1])
    assert len(set(draws)) == 5


@pytest.mark.parametrize(
    ("operator", "text", "made"),
    [
        (phrases.casual, "The child is not near a large Bicycle", "The kid isn't near a huge Bike"),
        (phrases.formal, "It's a big kid", "It is a large child"),
        (phrases.spatial_swap, "on the left, in front of it", "under the right, behind it"),
        (phrases.spatial_swap, "leftover <left>", None),
        (phrases.colour_swap, "blackboard", None),
        (phrases.number_swap, "3 dogs", None),
    ],
)
def test_phrases(operator: TextOperator, text: str, made: str | None) -> None:
    assert everywhere(operator, text) == made


def test_swaps_never_keep_the_word() -> None:
    for seed in range(30):
        colour = everywhere(phrases.colour_swap, "red", seed)
        assert colour not in ("red", None)
        assert everywhere(phrases.number_swap, "two", seed) not in ("two", None)


def test_unicode_forms() -> None:
    text = "wooden boats"
    accented = everywhere(unicode.diacritics, text)
    assert accented is not None
    bare = "".join(c for c in unicodedata.normalize("NFD", accented) if not unicodedata.combining(c))
    assert bare == text
    hidden = everywhere(unicode.zero_width, text)
    assert hidden is not None
    assert hidden.translate(dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060"))) == text
    assert everywhere(unicode.casing, text).lower() == text
    assert everywhere(unicode.whitespace, text).split() == text.split()
    assert everywhere(unicode.leet, "TEST") in ("7357", "73$7")
    twins = everywhere(unicode.homoglyph, text)
    assert twins is not None
    assert len(twins) == len(text)
    assert not set(twins) & set("wodenbats")


def test_the_table_can_be_compiled_again(tmp_path: Path) -> None:
    """Two tiny index and data files in WordNet's format, through the command."""
    head = "  1 This software and database is licensed\n"
    for part in ("noun", "verb", "adv"):
        (tmp_path / f"index.{part}").write_text(head)
        (tmp_path / f"data.{part}").write_text(head)
    (tmp_path / "index.adj").write_text(
        head + "big a 1 1 ! 1 1 00000100\nlarge a 1 0 1 1 00000100\nsmall a 1 1 ! 1 1 00000200\n"
    )
    (tmp_path / "data.adj").write_text(
        head
        + "00000100 00 a 02 big 0 large(a) 0 001 ! 00000200 a 0101 | of size\n"
        + "00000200 00 a 01 small 0 001 ! 00000100 a 0101 | of size\n"
    )
    code = (
        "import sys; from pathlib import Path\n"
        "import mafs_bench.corruptions.text.compile_wordnet as c\n"
        f"c.TABLE = Path({str(tmp_path)!r}) / 'made.gz'; c._LICENCE = Path({str(tmp_path)!r}) / 'licence'\n"
        f"sys.argv = ['', {str(tmp_path)!r}]; c.main()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    lines = gzip.decompress((tmp_path / "made.gz").read_bytes()).decode().splitlines()
    assert lines == ["big\ta\tlarge\tsmall", "large\ta\tbig\t", "small\ta\t\tbig"]
    assert (tmp_path / "licence").read_text() == "This software and database is licensed\n"


def test_the_shipped_table_is_small_and_carries_its_licence() -> None:
    assert TABLE.stat().st_size < 2_000_000
    licence = (TABLE.parent / "WORDNET_LICENSE.txt").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence
