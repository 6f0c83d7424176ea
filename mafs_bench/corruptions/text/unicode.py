"""Corruptions of how letters are written: look-alikes, leet, accents, invisible characters, case, white space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from string import ascii_letters

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text.spans import (
    Edit,
    Sites,
    letters,
    outside,
    pick,
    protected_spans,
    span_operator,
    words,
)

_HOMOGLYPHS = {
    "a": "аɑ", "b": "Ьƅ", "c": "сϲ", "d": "ԁ", "e": "еҽ", "g": "ɡ", "h": "һ", "i": "іı", "j": "јϳ",
    "k": "κ", "l": "ӏ", "m": "ⅿ", "n": "ո", "o": "оο", "p": "рρ", "q": "ԛ", "r": "г", "s": "ѕ", "t": "τ",
    "u": "υս", "v": "νѵ", "w": "ԝ", "x": "хⅹ", "y": "уγ", "z": "ᴢ",
    "A": "АΑ", "B": "ВΒ", "C": "СϹ", "D": "Ⅾ", "E": "ЕΕ", "F": "Ϝ", "G": "Ԍ", "H": "НΗ", "I": "ІΙ",
    "J": "Ј", "K": "КΚ", "L": "Ⅼ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "Q": "Ԛ", "S": "Ѕ",
    "T": "ТΤ", "V": "Ѵ", "W": "Ԝ", "X": "ХΧ", "Y": "ΥҮ", "Z": "Ζ",
}  # fmt: skip
"""Letters of other scripts that look the same (after Unicode's list of confusables)."""

_LEET = {
    "a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "l": "1", "o": "0", "s": "5$", "t": "7", "z": "2",
}  # fmt: skip
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030c\u0323\u0327"
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060")
"""Zero-width space, non-joiner, joiner and word joiner."""

_EMOJI = ("😀", "😂", "😍", "🤔", "😎", "🙏", "👍", "🔥", "✨", "💯", "🎉", "❤️", "🚀", "🌈", "😭", "🥳")
_SPACES = ("  ", "\t", "\n", "\u00a0", "   ", "\u2003")
_GAP = re.compile(r"\s+")


def _accented() -> dict[str, str]:
    """Letter -> its precomposed forms with one accent."""
    forms = {
        letter: "".join(
            form for accent in _ACCENTS if len(form := unicodedata.normalize("NFC", letter + accent)) == 1
        )
        for letter in ascii_letters
    }
    return {letter: found for letter, found in forms.items() if found}


def _letter_operator(table: Mapping[str, str]) -> TextOperator:
    """Exchange letters for one of those that the table gives; the rate is of all letters in longer words."""

    def find(text: str) -> Sites:
        at = letters(text)
        known = [i for i in at if text[i] in table]
        return Sites(len(at), known, lambda i, draw: (i, i + 1, pick(table[text[i]], draw)))

    return span_operator(find)


def _zero_width(text: str) -> Sites:
    """Inside words only, so that every word is cut rather than padded."""
    at = letters(text)
    inside = [j for i, j in pairwise(at) if j == i + 1]
    return Sites(len(at), inside, lambda i, draw: (i, i, pick(_INVISIBLE, draw)))


def _emoji(text: str) -> Sites:
    at = words(text)
    return Sites(len(at), at, lambda span, draw: (span[1], span[1], " " + pick(_EMOJI, draw)))


def _casing(text: str) -> Sites:
    """Another of: capitals, small letters, a capital first letter, every letter's case turned round."""
    forms = {
        (start, end): sorted({word.upper(), word.lower(), word.capitalize(), word.swapcase()} - {word})
        for start, end in words(text)
        for word in [text[start:end]]
    }
    cased = [span for span, found in forms.items() if found]
    return Sites(len(forms), cased, lambda span, draw: (*span, pick(forms[span], draw)))


def _whitespace(text: str) -> Sites:
    """Other white space in place of what is there."""
    at = outside(protected_spans(text), [match.span() for match in _GAP.finditer(text)])

    def edit(span: tuple[int, int], draw: int) -> Edit:
        return *span, pick([space for space in _SPACES if space != text[slice(*span)]], draw)

    return Sites(len(at), at, edit)


homoglyph = _letter_operator(_HOMOGLYPHS)
leet = _letter_operator(_LEET | {letter.upper(): signs for letter, signs in _LEET.items()})
diacritics = _letter_operator(_accented())
zero_width = span_operator(_zero_width)
emoji = span_operator(_emoji)
casing = span_operator(_casing)
whitespace = span_operator(_whitespace)
