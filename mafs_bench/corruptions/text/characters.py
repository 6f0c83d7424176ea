"""Character corruptions: a share of the letters in words of three and more letters.

``rate`` is that share; at least one letter is changed. Where nothing can be changed (no such word, or no
letter that the table knows) the corruption is not applicable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence, Sequence
from string import ascii_letters, ascii_lowercase
from typing import Any

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text.spans import (
    letters,
    quota,
    unlike_neighbours,
)
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

_KEY_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
"""The letter rows of a US QWERTY keyboard, each with its offset to the right in key widths."""

_OCR_LETTERS = {
    "a": "oe", "b": "h6", "c": "eo", "d": "oa", "e": "co", "f": "t", "g": "q9", "h": "bn", "i": "lj",
    "j": "i", "k": "x", "l": "1i", "m": "n", "n": "hr", "o": "0c", "p": "q", "q": "g9", "r": "n",
    "s": "5", "t": "f", "u": "v", "v": "u", "w": "v", "x": "k", "y": "v", "z": "2",
    "A": "4", "B": "8R", "C": "GO", "D": "O0", "E": "F", "F": "EP", "G": "6C", "H": "N", "I": "l1",
    "J": "U", "K": "X", "L": "I", "M": "N", "N": "M", "O": "0Q", "P": "F", "Q": "O0", "R": "K",
    "S": "5", "T": "7I", "U": "V", "V": "U", "W": "V", "X": "K", "Y": "V", "Z": "2",
}  # fmt: skip
_OCR_PAIRS = {"rn": "m", "nn": "m", "cl": "d", "vv": "w", "ri": "n", "li": "h", "ci": "a", "ii": "u"}
_OCR_SPLITS = {"m": "rn", "d": "cl", "w": "vv", "n": "ri", "h": "li"}
"""What optical character recognition confuses: a letter, two letters read as one, one as two."""
_OCR_AT: dict[str, list[tuple[int, str]]] = {
    letter: [(1, new) for new in (*readings, *filter(None, [_OCR_SPLITS.get(letter)]))]
    for letter, readings in _OCR_LETTERS.items()
}
_OCR_AT |= {pair: [*_OCR_AT[pair[0]], (2, new)] for pair, new in _OCR_PAIRS.items()}
"""What may be read at a letter or a pair: how many letters it takes up, and what they become."""


def _keys_nearby() -> dict[str, str]:
    place = {
        letter: (column + offset, float(row))
        for row, (letters, offset) in enumerate(_KEY_ROWS)
        for column, letter in enumerate(letters)
    }
    near = {
        letter: "".join(
            other for other, (u, v) in place.items() if other != letter and (u - x) ** 2 + (v - y) ** 2 < 1.7
        )
        for letter, (x, y) in place.items()
    }
    return near | {letter.upper(): keys.upper() for letter, keys in near.items()}


_NEAR = _keys_nearby()
_OTHERS: dict[str, Sequence[str]] = {
    cased: cased_alphabet.replace(cased, "")
    for cased_alphabet in (ascii_lowercase, ascii_lowercase.upper())
    for cased in cased_alphabet
}


_AFTER: dict[str, Sequence[str]] = {
    letter: [letter + new for new in others] for letter, others in _OTHERS.items()
}
_GONE = dict.fromkeys(ascii_letters, ("",))

_Places = MutableSequence[int]
_Table = Mapping[str, Sequence[str]]


def _letter_operator(find: Callable[[str], tuple[_Places, _Table]], spare: int = 0) -> TextOperator:
    """Write one of ``table[letter]`` in the place of a share of the letters; ``spare`` of them always stay.

    ``find(text)`` gives the letters' positions and the table. As ``span_operator``, at a fifth of its cost:
    what stands in a letter's place overlaps with nothing, and a draw for every letter is cheaper than to find out
    how many the largest rate needs.
    """

    def sample(
        rng: KeyedStream, text: str, levels: Sequence[Params]
    ) -> tuple[_Places, _Table, Sequence[int]]:
        at, table = find(text)
        return at, table, rng.uint32(max(0, len(at) - spare))

    def apply(text: str, draws: tuple[_Places, _Table, Sequence[int]], params: Params) -> str | None:
        at, table, integers = draws
        if not integers:
            return None
        order, left, made = at[:], len(at), list(text)
        for step, integer in enumerate(integers[: quota(params["rate"], left)]):
            product = integer * left  # as in spans._choose
            other = step + (product >> 32)
            place = order[other]
            order[other] = order[step]
            options = table[text[place]]
            made[place] = options[(product & 0xFFFFFFFF) * len(options) >> 32]
            left -= 1
        return "".join(made)

    return TextOperator(sample, apply)


_Readings = Sequence[tuple[int, str]]
"""How many characters are read, one or two, and what they become."""


def _reading_operator(
    find: Callable[[str], tuple[int, _Places]], readings: Callable[[str], _Readings], cost: int = 1
) -> TextOperator:
    """Write something else in the place of one or two letters; of readings that overlap only the first is made.

    ``find(text)`` gives the number of letters and the places, ``readings(two)`` what may be read in the place of the
    two characters (at the end of a text one) that stand there. As ``span_operator`` with ``exclusive`` edits, at half
    of its cost.
    """

    def sample(rng: KeyedStream, text: str, levels: Sequence[Params]) -> tuple[int, _Places, Sequence[int]]:
        total, at = find(text)
        return total, at, rng.uint32(len(at))

    def apply(text: str, draws: tuple[int, _Places, Sequence[int]], params: Params) -> str | None:
        total, at, integers = draws
        if not integers:
            return None
        order, left, made, taken = at[:], len(at), list(text), bytearray(len(text))
        wanted = quota(params["rate"] / cost, total)
        for step, integer in enumerate(integers):
            product = integer * left  # as in spans._choose
            left -= 1
            other = step + (product >> 32)
            place = order[other]
            order[other] = order[step]
            options = readings(text[place : place + 2])
            width, new = options[(product & 0xFFFFFFFF) * len(options) >> 32]
            last = place + width - 1
            if taken[place] or taken[last]:
                continue
            taken[place] = taken[last] = 1
            made[last] = ""
            made[place] = new
            wanted -= 1
            if not wanted:
                break
        return "".join(made)

    return TextOperator(sample, apply)


def _known(table: Mapping[str, Any], text: str) -> _Places:
    """Positions of the letters that the table, complete for ASCII, knows."""
    at = letters(text)
    return at if text.isascii() else [i for i in at if text[i] in table]


def _foreign(text: str, at: Sequence[int]) -> dict[str, Sequence[str]]:
    """For each letter outside ASCII those that may take its place: the text's own."""
    script = list(dict.fromkeys(text[i] for i in at if not text[i].isascii()))
    return {letter: [other for other in script if other != letter] or ascii_lowercase for letter in script}


def _keyboard(text: str) -> tuple[_Places, _Table]:
    return _known(_NEAR, text), _NEAR


def _replace(text: str) -> tuple[_Places, _Table]:
    at = letters(text)
    return at, _OTHERS if text.isascii() else _OTHERS | _foreign(text, at)


def _insert(text: str) -> tuple[_Places, _Table]:
    at = letters(text)
    if text.isascii():
        return at, _AFTER
    foreign = _foreign(text, at).items()
    return at, _AFTER | {letter: [letter + new for new in others] for letter, others in foreign}


def _delete(text: str) -> tuple[_Places, _Table]:
    return letters(text), _GONE if text.isascii() else dict.fromkeys(text, ("",))


def _swap(two: str) -> _Readings:
    return ((2, two[::-1]),)


def _ocr(text: str) -> tuple[int, _Places]:
    at = _known(_OCR_LETTERS, text)
    return len(at), at


def _misread(two: str) -> _Readings:
    return _OCR_AT.get(two) or _OCR_AT[two[0]]


keyboard = _letter_operator(_keyboard)
char_insert = _letter_operator(_insert)
char_replace = _letter_operator(_replace)
char_delete = _letter_operator(_delete, spare=1)
ocr = _reading_operator(_ocr, _misread)
char_swap = _reading_operator(unlike_neighbours, _swap, cost=2)
