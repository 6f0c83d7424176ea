"""What the character corruptions do to a text, letter by letter."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mafs_bench.corruptions.audit import edit_distance
from mafs_bench.corruptions.text import characters
from mafs_bench.corruptions.text.spans import (
    Sites,
    letters,
    outside,
    protected_spans,
    quota,
    span_operator,
    splice,
    tokens,
    unlike_neighbours,
    words,
)
from mafs_bench.errors import UsageError
from mafs_bench.seeding import KeyedStream

CAPTION = "A little girl climbing into a wooden playhouse near the old oak tree ."
LETTERS = sum(len(word) for word in CAPTION.split() if len(word) >= 3)
RATES = (0.025, 0.05, 0.1, 0.15, 0.25)
LEVELS = [{"rate": rate} for rate in RATES]
SINGLE = ("keyboard", "char_insert", "char_replace", "char_delete")


def run(operator, text: str, seed: int = 0, levels=LEVELS) -> list[str | None]:
    draws = operator.sample(KeyedStream(seed, "core@1", "x", "1#0"), text, levels)
    return [operator.apply(text, draws, level) for level in levels]


def between(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(("rate", "k"), [(0.025, 1), (0.05, 3), (0.1, 6), (0.25, 14), (1.0, 57)])
def test_quota_rounds_and_is_at_least_one(rate: float, k: int) -> None:
    assert quota(rate, 57) == k
    assert quota(rate, 0) == 1


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, float("nan")])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="allowed: above 0, at most 1"):
        quota(rate, 10)


def test_words_of_three_letters_and_more_count() -> None:
    assert len(letters(CAPTION)) == LETTERS == 54
    text = "An ox3 is a_b, cat's dog 3rd ÉTÉ"
    assert "".join(text[i] for i in letters(text)) == "catdogÉTÉ"


@settings(max_examples=300, deadline=None)
@given(text=st.text("aabBc  .'-_1é<@", max_size=14))
def test_letters_of_plain_text_are_those_that_a_regular_expression_finds(text: str) -> None:
    spans = [m.span() for m in re.finditer(r"\w{3,}", text) if m[0].isalpha()]
    wanted = [i for start, end in outside(protected_spans(text), spans) for i in range(start, end)]
    assert list(letters(text)) == wanted
    unlike = [i for i in wanted if i + 1 in wanted and text[i] != text[i + 1]]
    total, at = unlike_neighbours(text)
    assert (total, list(at)) == (len(wanted), unlike)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("seed", range(5))
def test_as_many_letters_change_as_the_rate_says(name: str, seed: int) -> None:
    for rate, made in zip(RATES, run(getattr(characters, name), CAPTION, seed), strict=True):
        assert made is not None
        k = max(1, round(rate * LETTERS))
        assert len(made) - len(CAPTION) == {"char_insert": k, "char_delete": -k}.get(name, 0)
        if name in ("keyboard", "char_replace"):
            assert sum(a != b for a, b in zip(CAPTION, made, strict=True)) == k
        else:
            assert edit_distance(CAPTION, made) == k


@pytest.mark.parametrize("seed", range(5))
def test_swaps_touch_the_share_of_letters_in_twos(seed: int) -> None:
    for rate, made in zip(RATES, run(characters.char_swap, CAPTION, seed), strict=True):
        assert made is not None
        assert sum(a != b for a, b in zip(CAPTION, made, strict=True)) == 2 * max(
            1, round(rate * LETTERS / 2)
        )
        assert [sorted(word) for word in made.split()] == [sorted(word) for word in CAPTION.split()]


@pytest.mark.parametrize("seed", range(5))
def test_keyboard_takes_neighbouring_keys_of_the_same_case(seed: int) -> None:
    text = "QUIET quiet"
    made = run(characters.keyboard, text, seed)[4]
    assert made is not None
    near = {"q": "wa", "u": "yihjk", "i": "uojkl", "e": "wrsdf", "t": "ryfgh"}
    for old, new in zip(text, made, strict=True):
        if old != new:
            assert old.isupper() == new.isupper()
            assert new.lower() in near[old.lower()]


def test_ocr_reads_two_letters_as_one_and_one_as_two() -> None:
    seen = {run(characters.ocr, "modern", seed)[0] for seed in range(200)}
    assert {"rnodern", "modem", "moclern", "m0dern"} <= seen


@pytest.mark.parametrize("name", [*SINGLE, "ocr", "char_swap"])
def test_a_severity_does_not_depend_on_the_others(name: str) -> None:
    operator = getattr(characters, name)
    assert run(operator, CAPTION, levels=LEVELS[:2]) == run(operator, CAPTION)[:2]


def test_edits_are_nested_over_severities() -> None:
    for seed in range(10):
        changed = [
            {i for i, (a, b) in enumerate(zip(CAPTION, made, strict=True)) if a != b}
            for made in run(characters.char_replace, CAPTION, seed)
            if made is not None
        ]
        assert all(less < more for less, more in pairwise(changed))


def test_untouched_text_is_byte_identical() -> None:
    text = "  girl's\t“blue”  (A)  dog —  ok!\n"
    made = run(characters.char_delete, text)[0]
    assert made is not None
    assert len(made) == len(text) - 1
    assert edit_distance(text, made) == 1


def test_a_word_is_never_emptied() -> None:
    assert run(characters.char_delete, "dog", levels=[{"rate": 1.0}])[0] in ("d", "o", "g")


@pytest.mark.parametrize("text", ["", "a b c", "12 345", "<image>", "https://example.org/some/path"])
def test_without_a_word_of_three_letters_it_is_not_applicable(text: str) -> None:
    for name in (*SINGLE, "ocr", "char_swap"):
        assert run(getattr(characters, name), text) == [None] * 5


def test_other_scripts() -> None:
    russian = "большая собака"
    assert run(characters.keyboard, russian)[0] is None
    replaced = run(characters.char_replace, russian)[4]
    assert replaced is not None
    assert set(replaced) <= set(russian)


def test_protected_spans() -> None:
    text = "see www.a.org/b?c or http://d.e/f, mail x.y@z.org, <image> {name} (A) B. a<b"
    assert between(text, protected_spans(text)) == [
        "www.a.org/b?c",
        "http://d.e/f,",
        "x.y@z.org",
        "<image>",
        "{name}",
    ]
    assert between(text, words(text)) == ["see", "or", "mail", "a", "b"]
    assert between("half-baked girl's 3rd 42 dog", words("half-baked girl's 3rd 42 dog")) == [
        "half-baked",
        "girl's",
        "dog",
    ]
    assert between("two 3 . <image> dogs!", tokens("two 3 . <image> dogs!")) == ["two", "3", ".", "dogs!"]


@settings(max_examples=50, deadline=None)
@given(text=st.text("abcdef ", max_size=30), data=st.data())
def test_splice_makes_disjoint_edits_in_any_order(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    edits = [(a, b, "X") for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    wanted = text
    for start, end, new in reversed(edits):
        wanted = wanted[:start] + new + wanted[end:]
    if len({edit[0] for edit in edits}) == len(edits):
        assert splice(text, data.draw(st.permutations(edits))) == wanted


def test_places_in_order_and_places_spared() -> None:
    def find(text: str) -> Sites:
        return Sites(len(text), range(len(text)), lambda i, draw: (i, i + 1, ""))

    operator = span_operator(find, spare=2, shuffled=False)
    assert run(operator, "abcdef", levels=[{"rate": 0.5}, {"rate": 1.0}]) == ["def", "ef"]
