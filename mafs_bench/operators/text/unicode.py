"""Corruptions of how letters are written: look-alikes, leet, accents, invisible characters, case, white space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from string import ascii_letters

from mafs_bench.operators.base import TextOperator
from mafs_bench.operators.text.spans import (
    Proposal,
    letter_runs,
    outside,
    pick,
    protected_spans,
    ranked,
    span_operator,
    words,
)
from mafs_bench.seeding import KeyedStream

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

    def propose(rng: KeyedStream, text: str) -> Proposal:
        letters = [i for start, end in letter_runs(text) for i in range(start, end)]
        at = [i for i in letters if text[i] in table]
        return len(letters), ((i, i + 1, pick(table[text[i]], draw)) for i, draw in ranked(rng, at))

    return span_operator(propose)


def _zero_width(rng: KeyedStream, text: str) -> Proposal:
    """Inside words only, so that every word is cut rather than padded."""
    runs = letter_runs(text)
    at = [i for start, end in runs for i in range(start + 1, end)]
    edits = ((i, i, pick(_INVISIBLE, draw)) for i, draw in ranked(rng, at))
    return sum(end - start for start, end in runs), edits


def _emoji(rng: KeyedStream, text: str) -> Proposal:
    at = words(text)
    return len(at), ((end, end, " " + pick(_EMOJI, draw)) for (_, end), draw in ranked(rng, at))


def _casing(rng: KeyedStream, text: str) -> Proposal:
    """Capitals, or the case of every letter turned round where that is the same."""
    forms = {
        (start, end): sorted({word.upper(), word.swapcase(), word.capitalize(), word.lower()} - {word})
        for start, end in words(text)
        for word in [text[start:end]]
    }
    at = [span for span, found in forms.items() if found]
    return len(forms), ((*span, pick(forms[span], draw)) for span, draw in ranked(rng, at))


def _whitespace(rng: KeyedStream, text: str) -> Proposal:
    """Between words: other white space in place of what is there."""
    gaps = [match.span() for match in _GAP.finditer(text)]
    at = outside(protected_spans(text), gaps)
    edits = (
        (start, end, pick([space for space in _SPACES if space != text[start:end]], draw))
        for (start, end), draw in ranked(rng, at)
    )
    return len(at), edits


homoglyph = _letter_operator(_HOMOGLYPHS)
leet = _letter_operator(_LEET | {letter.upper(): signs for letter, signs in _LEET.items()})
diacritics = _letter_operator(_accented())
zero_width = span_operator(_zero_width)
emoji = span_operator(_emoji)
casing = span_operator(_casing)
whitespace = span_operator(_whitespace)
