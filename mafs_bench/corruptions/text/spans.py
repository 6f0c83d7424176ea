"""Edits on spans of the raw string: everything outside a span stays byte-identical.

An operator proposes edits in an order of priority; a severity makes the first ``k`` of them, so that the
edits of a lower severity are among those of a higher one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from itertools import accumulate, compress, pairwise
from operator import itemgetter
from string import ascii_letters, digits
from typing import Any, NamedTuple

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.errors import UsageError
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

Edit = tuple[int, int, str]
"""Replace ``text[start:end]`` by a string."""


class Sites(NamedTuple):
    """Where a text can be edited.

    A rate is a share of ``total`` units; ``edit`` turns one of the places ``at`` and a uniform 32-bit integer
    into an edit.
    """

    total: int
    at: Sequence[Any]
    edit: Callable[[Any, int], Edit]


_PROTECTED = re.compile(
    r"(?:https?://|ftp://|www\.)\S+|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+|<[^<>]*>|\{[^{}]*\}"
)
_RUN = re.compile(r"\w{3,}")
_CLOSER_LOOK = 1
_KINDS = bytes(
    0xFF if chr(code) in ascii_letters else _CLOSER_LOOK if chr(code) in digits + "_@<{/" else 0
    for code in range(256)
)
"""What a byte of ASCII text is: a letter, what may stand in a word or begin a protected span, a gap between words."""
_NUMBERS = bytes(range(1, 256))
_NUMBERED = int.from_bytes(_NUMBERS, "little")
_FROM_ZERO = bytes((0, *range(255)))
"""Byte by byte its number from 1, so that 0 can mark what is left out; and those numbers made to begin at 0."""
_NOT_ZERO = bytes((0, *[0xFF] * 255))

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_TOKEN = re.compile(r"\S+")
_OPTION = re.compile(r"\([A-Z]\)|(?:(?<=^)|(?<=\s))[A-Z][).:](?=\s|$)")


_RATE = itemgetter("rate")
_LOOKED_AT = 3
"""Places looked at for one exclusive edit: one of up to two characters rules out at most two others."""


SpanDraws = tuple[Sites, Sequence[int]]
"""The places of a text and a uniform 32-bit integer for each that may be looked at."""


def quota(rate: float, total: int) -> int:
    """How many of ``total`` units a rate means: at least one. Raises ``UsageError`` outside (0, 1]."""
    if not 0 < rate <= 1:
        raise UsageError(f"rate = {rate!r}; allowed: above 0, at most 1")
    return round(rate * total) or 1


def span_operator(
    find: Callable[[str], Sites],
    *,
    cost: int = 1,
    spare: int = 0,
    exclusive: bool = False,
    shuffled: bool = True,
) -> TextOperator:
    """Edit a text at ``rate`` of its units, at least once.

    An edit uses up ``cost`` units; ``spare`` places are never edited; of ``exclusive`` edits that overlap only
    the first is made; places that are not ``shuffled`` are edited in the order given.
    """

    def sample(rng: KeyedStream, text: str, levels: Sequence[Params]) -> SpanDraws:
        sites = find(text)
        most = quota(max(map(_RATE, levels)) / cost, sites.total)
        steps = min(most * _LOOKED_AT if exclusive else most, len(sites.at) - spare)
        return sites, rng.uint32(steps) if steps > 0 else ()

    def apply(text: str, draws: SpanDraws, params: Params) -> str | None:
        (total, at, edit), integers = draws
        if not integers:
            return None
        wanted = quota(params["rate"] / cost, total)
        if shuffled:
            return splice(text, _choose(at, edit, integers, wanted, exclusive))
        return splice(text, [edit(place, 0) for place in at[: min(wanted, len(at) - spare)]])

    return TextOperator(sample, apply)


def _choose(
    at: Sequence[Any],
    edit: Callable[[Any, int], Edit],
    integers: Sequence[int],
    wanted: int,
    exclusive: bool,
) -> list[Edit]:
    """The first ``wanted`` edits at places drawn without repetition (Fisher-Yates).

    The product of an integer and the number of places left holds the place in its upper 32 bits (Lemire, 2019)
    and in its lower ones what is still random, from which the edit is drawn.
    """
    order, left = list(at), len(at)
    edits: list[Edit] = []
    taken: set[int] = set()
    for step, integer in enumerate(integers):
        product = integer * (left - step)
        other = step + (product >> 32)
        made = edit(order[other], product & 0xFFFFFFFF)
        order[other] = order[step]
        if exclusive:
            start, end, _ = made
            span = (start, end - 1) if end - start <= 2 else range(start, end)
            if not taken.isdisjoint(span):
                continue
            taken.update(span)
        edits.append(made)
        if len(edits) == wanted:
            break
    return edits


def splice(text: str, edits: Iterable[Edit]) -> str:
    """Make the edits, given in any order. Deletions may touch or overlap."""
    pieces, cursor = [], 0
    for start, end, new in sorted(edits):
        if start > cursor:
            pieces.append(text[cursor:start])
        pieces.append(new)
        if end > cursor:
            cursor = end
    pieces.append(text[cursor:])
    return "".join(pieces)


def pick(options: Sequence[str], draw: int) -> str:
    """Turn a 32-bit integer into one of the options."""
    return options[(draw * len(options)) >> 32]


def protected_spans(text: str) -> list[tuple[int, int]]:
    """URLs, e-mail addresses and placeholders such as ``<image>`` or ``{x}``."""
    if not ("@" in text or "<" in text or "{" in text or "://" in text or "www." in text):
        return []  # Nearly every caption: worth not scanning for.
    return [match.span() for match in _PROTECTED.finditer(text)]


def letters(text: str) -> MutableSequence[int]:
    """Positions of the letters in words of three and more; nothing with a digit in it, nothing protected.

    A ``bytearray`` where they fit into one, which is made and copied in no time, or a list.
    """
    mask = _letter_mask(text)
    if mask is not None:
        return _places(mask, len(text))
    runs = [match.span() for match in _RUN.finditer(text) if match[0].isalpha()]
    return [i for start, end in outside(protected_spans(text), runs) for i in range(start, end)]


def unlike_neighbours(text: str) -> tuple[int, MutableSequence[int]]:
    """How many ``letters`` there are, and the positions of those that another letter follows in the same word."""
    mask = _letter_mask(text)
    if mask is None:
        at = letters(text)
        return len(at), [i for i, j in pairwise(at) if j == i + 1 and text[i] != text[j]]
    codes = int.from_bytes(text.encode(), "little")
    unlike = (codes ^ codes >> 8).to_bytes(len(text), "little").translate(_NOT_ZERO)
    return mask.bit_count() >> 3, _places(mask & mask >> 8 & int.from_bytes(unlike, "little"), len(text))


def _letter_mask(text: str) -> int | None:
    """One byte a character, the first one lowest: 0xFF for ``letters``, 0 for the rest.

    None where that takes a closer look. Nearly every caption is plain ASCII without marks that may begin
    something protected, and all bytes of a long integer at once are many times as fast as looking for words.
    """
    if not text.isascii() or "www." in text:
        return None
    kinds = text.encode().translate(_KINDS)
    if _CLOSER_LOOK in kinds:
        return None
    here = int.from_bytes(kinds, "little")
    third = here & here >> 8 & here >> 16  # where three letters begin
    return third | third << 8 | third << 16


def _places(mask: int, length: int) -> MutableSequence[int]:
    """The positions of the bytes that are 0xFF (the others are 0) among ``length``."""
    if length < len(_NUMBERS):
        return bytearray((mask & _NUMBERED).to_bytes(length, "little").translate(_FROM_ZERO, b"\0"))
    return list(compress(range(length), mask.to_bytes(length, "little")))


def words(text: str) -> list[tuple[int, int]]:
    """Spans of the words (inner apostrophes and hyphens included) that may be edited.

    Numbers and words with digits, option letters such as ``(A)`` or ``B.``, URLs and
    placeholders are left out.
    """
    spans = [match.span() for match in _WORD.finditer(text) if not any(map(str.isdigit, match.group()))]
    options = [match.span() for match in _OPTION.finditer(text)]
    return outside(protected_spans(text) + options, spans)


def tokens(text: str) -> list[tuple[int, int]]:
    """Spans of what stands between white space, marks and numbers included, protected tokens not."""
    return outside(protected_spans(text), [match.span() for match in _TOKEN.finditer(text)])


def outside(forbidden: Sequence[tuple[int, int]], spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of ``spans`` that share no character with a forbidden one."""
    if not forbidden:
        return spans
    ordered = sorted(forbidden)
    starts, reach = [start for start, _ in ordered], list(accumulate((end for _, end in ordered), max))

    def free(start: int, end: int) -> bool:
        before = bisect_left(starts, end)
        return before == 0 or reach[before - 1] <= start

    return [span for span in spans if free(*span)]
