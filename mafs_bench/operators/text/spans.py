"""Edits on spans of the raw string: everything outside a span stays byte-identical.

An operator proposes edits in an order of priority; a severity makes the first ``k`` of them, so that the
edits of a lower severity are among those of a higher one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple, TypeVar

from mafs_bench.errors import UsageError
from mafs_bench.operators.base import TextOperator
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

T = TypeVar("T")

Edit = tuple[int, int, str]
"""Replace ``text[start:end]`` by a string."""

Proposal = tuple[int, Iterable[Edit]]
"""How many units a rate refers to, and edits in their order of priority, made as they are asked for."""

Propose = Callable[[KeyedStream, str], Proposal]

_PROTECTED = re.compile(r"(?:https?://|ftp://|www\.)\S+|[\w.+-]+@[\w-]+\.[\w.-]+|<[^<>]*>|\{[^{}]*\}")
_RUN = re.compile(r"\w{3,}")
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_TOKEN = re.compile(r"\S+")
_OPTION = re.compile(r"\([A-Z]\)|(?:(?<=^)|(?<=\s))[A-Z][).:](?=\s|$)")


_BLOCK = 16


class SpanEdits(NamedTuple):
    """``edits`` in order of priority; a rate is a share of ``total`` units."""

    total: int
    edits: tuple[Edit, ...]


def quota(rate: float, total: int) -> int:
    """How many of ``total`` units a rate means: at least one. Raises ``UsageError`` outside (0, 1]."""
    if not 0 < rate <= 1:
        raise UsageError(f"rate = {rate!r}; allowed: above 0, at most 1")
    return max(1, round(rate * total))


def span_operator(propose: Propose, cost: int = 1) -> TextOperator:
    """Make the proposed edits up to ``rate`` of the units; an edit uses up ``cost`` units."""

    def sample(rng: KeyedStream, text: str, levels: Sequence[Params]) -> SpanEdits:
        total, edits = propose(rng, text)
        most = quota(max([level["rate"] for level in levels]) / cost, total)
        return SpanEdits(total, tuple(islice(edits, most)))

    def apply(text: str, draws: SpanEdits, params: Params) -> str | None:
        total, edits = draws
        if not edits:
            return None
        return splice(text, edits[: quota(params["rate"] / cost, total)])

    return TextOperator(sample, apply)


def splice(text: str, edits: Iterable[Edit]) -> str:
    """Make the edits, given in any order. Deletions may touch or overlap."""
    pieces, cursor = [], 0
    for start, end, new in sorted(edits, key=itemgetter(0, 1)):
        if start > cursor:
            pieces.append(text[cursor:start])
        pieces.append(new)
        if end > cursor:
            cursor = end
    pieces.append(text[cursor:])
    return "".join(pieces)


def ranked(rng: KeyedStream, items: Sequence[T]) -> Iterator[tuple[T, int]]:
    """Draw all items in random order, each with a fresh integer: one Fisher-Yates step at a time."""
    order, n = list(items), len(items)
    step, ready = 0, 0
    while step < n:
        # Integers come in blocks that double, so that a short text pays for few.
        ready = min(n, max(_BLOCK, 2 * ready))
        draws = rng.uint32(2 * (ready - step))
        for choice, draw in zip(draws[::2], draws[1::2], strict=True):
            other = step + ((choice * (n - step)) >> 32)
            chosen = order[other]
            order[other] = order[step]
            step += 1
            yield chosen, draw


def pick(options: Sequence[str], draw: int) -> str:
    """Turn a 32-bit integer into one of the options."""
    return options[(draw * len(options)) >> 32]


def disjoint(edits: Iterable[Edit]) -> Iterator[Edit]:
    """Leave out edits that touch a character which an earlier one changes."""
    taken: set[int] = set()
    for start, end, new in edits:
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            yield start, end, new


def protected_spans(text: str) -> list[tuple[int, int]]:
    """URLs, e-mail addresses and placeholders such as ``<image>`` or ``{x}``."""
    if not ("@" in text or "<" in text or "{" in text or "://" in text or "www." in text):
        return []  # Nearly every caption: worth not scanning for.
    return [match.span() for match in _PROTECTED.finditer(text)]


def letter_runs(text: str) -> list[tuple[int, int]]:
    """Spans of the words of three and more letters; nothing with a digit in it, nothing protected."""
    runs = [match.span() for match in _RUN.finditer(text) if match[0].isalpha()]
    return outside(protected_spans(text), runs)


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
    """Those of ``spans`` that touch nothing forbidden."""
    return [span for span in spans if not overlaps(span, forbidden)] if forbidden else spans


def overlaps(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Whether the span shares a character with one of the others."""
    return any(span[0] < end and start < span[1] for start, end in others)
