"""Corruptions of a text's length: cut off at the end, or drowned in sentences that say nothing of the image."""

from __future__ import annotations

from collections.abc import Sequence

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text.spans import Sites, span_operator, words
from mafs_bench.corruptions.text.words import removal
from mafs_bench.errors import UsageError
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

_REDUNDANT = (
    "This was written down some time ago.",
    "The file has a name and a date.",
    "Nothing else needs to be said about it.",
    "It can be found together with the others.",
    "Somebody may want to read this again later.",
    "The rest of the page was left empty.",
    "More of the same kind is kept elsewhere.",
    "There is a short note on the reverse.",
    "The order of the entries has no meaning.",
    "It was checked once and then put away.",
    "Please see the list for further details.",
    "As usual, opinions about this differ.",
)


def _truncation(text: str) -> Sites:
    """The last words go first; the first word, marks and protected spans stay."""
    at = words(text)
    return Sites(len(at), at[::-1], lambda span, draw: removal(text, *span))


def _draw_sentences(rng: KeyedStream, text: str, levels: Sequence[Params]) -> list[str]:
    most = max(level["sentences"] for level in levels)
    if not 1 <= most <= len(_REDUNDANT):
        raise UsageError(f"sentences = {most!r}; allowed: 1 to {len(_REDUNDANT)}")
    left = list(_REDUNDANT)
    return [left.pop((draw * len(left)) >> 32) for draw in rng.uint32(most)]


def _append(text: str, draws: list[str], params: Params) -> str | None:
    return " ".join([text, *draws[: params["sentences"]]]) if text.strip() else None


truncation = span_operator(_truncation, spare=1, shuffled=False)
redundant_context = TextOperator(_draw_sentences, _append)
