"""Character corruptions: a share of the letters in words of three and more letters.

``rate`` is that share; at least one letter is changed. Where nothing can be changed (no such word, or no
letter that the table knows) the corruption is not applicable.
"""

from __future__ import annotations

from itertools import islice
from string import ascii_lowercase

from mafs_bench.operators.text.spans import Edit, Proposal, disjoint, letter_runs, pick, ranked, span_operator
from mafs_bench.seeding import KeyedStream

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
_OCR_READINGS = {
    letter: [*readings, *filter(None, [_OCR_SPLITS.get(letter)])] for letter, readings in _OCR_LETTERS.items()
}


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
_OTHERS = {
    cased: cased_alphabet.replace(cased, "")
    for cased_alphabet in (ascii_lowercase, ascii_lowercase.upper())
    for cased in cased_alphabet
}


def _positions(text: str) -> list[int]:
    """Positions of the letters of all words of three and more letters."""
    found: list[int] = []
    for start, end in letter_runs(text):
        found += range(start, end)
    return found


def _positions_in(table: dict[str, str], text: str) -> list[int]:
    """Those of them that the table, complete for ASCII, knows."""
    positions = _positions(text)
    return positions if text.isascii() else [i for i in positions if text[i] in table]


def _keyboard(rng: KeyedStream, text: str) -> Proposal:
    at = _positions_in(_NEAR, text)
    edits = ((i, i + 1, pick(_NEAR[text[i]], draw)) for i, draw in ranked(rng, at))
    return len(at), edits


def _replacement(text: str, script: list[str], position: int, draw: int) -> str:
    """Another letter of the same case; outside ASCII one of the text's own, which keeps to its script."""
    letter = text[position]
    if letter in _OTHERS:
        return pick(_OTHERS[letter], draw)
    return pick([other for other in script if other != letter] or ascii_lowercase, draw)


def _replace(rng: KeyedStream, text: str) -> Proposal:
    at, script = _positions(text), _own_letters(text)
    edits = ((i, i + 1, _replacement(text, script, i, draw)) for i, draw in ranked(rng, at))
    return len(at), edits


def _own_letters(text: str) -> list[str]:
    """The distinct letters outside ASCII, in order of appearance."""
    if text.isascii():
        return []
    return list(dict.fromkeys(text[i] for i in _positions(text) if not text[i].isascii()))


def _insert(rng: KeyedStream, text: str) -> Proposal:
    at, script = _positions(text), _own_letters(text)
    edits = ((i + 1, i + 1, _replacement(text, script, i, draw)) for i, draw in ranked(rng, at))
    return len(at), edits


def _delete(rng: KeyedStream, text: str) -> Proposal:
    at = _positions(text)
    # One letter stays, whatever the rate: a text is never emptied.
    edits = ((i, i + 1, "") for i, _ in islice(ranked(rng, at), max(0, len(at) - 1)))
    return len(at), edits


def _swap(rng: KeyedStream, text: str) -> Proposal:
    runs = letter_runs(text)
    at = [i for start, end in runs for i in range(start, end - 1) if text[i] != text[i + 1]]
    return sum(end - start for start, end in runs), disjoint(
        (i, i + 2, text[i + 1] + text[i]) for i, _ in ranked(rng, at)
    )


def _ocr(rng: KeyedStream, text: str) -> Proposal:
    at = _positions_in(_OCR_LETTERS, text)
    return len(at), disjoint(_misread(text, i, draw) for i, draw in ranked(rng, at))


def _misread(text: str, position: int, draw: int) -> Edit:
    readings = _OCR_READINGS[text[position]]
    joined = _OCR_PAIRS.get(text[position : position + 2])
    choice = (draw * (len(readings) + (joined is not None))) >> 32
    if joined is not None and choice == len(readings):
        return position, position + 2, joined
    return position, position + 1, readings[choice]


keyboard = span_operator(_keyboard)
ocr = span_operator(_ocr)
char_insert = span_operator(_insert)
char_replace = span_operator(_replace)
char_delete = span_operator(_delete)
char_swap = span_operator(_swap, cost=2)
