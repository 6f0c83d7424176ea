"""Word corruptions. ``rate`` is a share of the words; for synonyms and antonyms, of those that have one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Literal

from mafs_bench.operators.text.spans import (
    Edit,
    Proposal,
    disjoint,
    pick,
    ranked,
    span_operator,
    tokens,
    words,
)
from mafs_bench.operators.text.tagging import match_case, related, tagged
from mafs_bench.seeding import KeyedStream

_MARKS = (".", ",", "!", "?", ";", ":")
"""Those that AEDA inserts (Karimi et al., 2021)."""


def _exchange(rng: KeyedStream, text: str, relation: Literal["synonyms", "antonyms"]) -> Proposal:
    options = {
        (token.start, token.end): found
        for token in tagged(text)
        if token.editable and (found := related(token.word, token.tag, relation))
    }
    edits = (
        (start, end, match_case(pick(options[start, end], draw), text[start:end]))
        for (start, end), draw in ranked(rng, list(options))
    )
    return len(options), edits


def _synonym(rng: KeyedStream, text: str) -> Proposal:
    return _exchange(rng, text, "synonyms")


def _antonym(rng: KeyedStream, text: str) -> Proposal:
    return _exchange(rng, text, "antonyms")


def _insertion(rng: KeyedStream, text: str) -> Proposal:
    """In front of a word a synonym of one of them, else one of them again (EDA, Wei and Zou 2019)."""
    at = words(text)
    pool = [
        other
        for token in tagged(text)
        if token.editable
        for other in related(token.word, token.tag, "synonyms")
    ] or [text[start:end].lower() for start, end in at]
    return len(at), ((start, start, pick(pool, draw) + " ") for (start, _), draw in ranked(rng, at))


def _swap(rng: KeyedStream, text: str) -> Proposal:
    at = words(text)
    neighbours = [(left, right) for left, right in pairwise(at) if text[slice(*left)] != text[slice(*right)]]
    edits = (
        (left[0], right[1], text[slice(*right)] + text[left[1] : right[0]] + text[slice(*left)])
        for (left, right), _ in ranked(rng, neighbours)
    )
    return len(at), disjoint(edits)


def _removals(rng: KeyedStream, text: str, at: Sequence[tuple[int, int]]) -> Proposal:
    """Leave words out with the space behind them, or before the last; one always stays."""
    chosen = islice(ranked(rng, at), max(0, len(at) - 1))
    return len(at), (removal(text, start, end) for (start, end), _ in chosen)


def removal(text: str, start: int, end: int) -> Edit:
    """Cut a word out with one of the spaces around it."""
    if text[end : end + 1].isspace():
        return start, end + 1, ""
    if start and text[start - 1].isspace():
        return start - 1, end, ""
    return start, end, ""


def _deletion(rng: KeyedStream, text: str) -> Proposal:
    return _removals(rng, text, words(text))


def _token_dropout(rng: KeyedStream, text: str) -> Proposal:
    return _removals(rng, text, tokens(text))


def _punctuation(rng: KeyedStream, text: str) -> Proposal:
    at = words(text)
    return len(at), ((start, start, pick(_MARKS, draw) + " ") for (start, _), draw in ranked(rng, at))


def _split(rng: KeyedStream, text: str) -> Proposal:
    at = [(start, end) for start, end in words(text) if end - start >= 4 and text[start:end].isalpha()]
    edits: Iterable[Edit] = (
        (cut, cut, " ")
        for (start, end), draw in ranked(rng, at)
        for cut in [start + 1 + ((draw * (end - start - 1)) >> 32)]
    )
    return len(words(text)), edits


def _merge(rng: KeyedStream, text: str) -> Proposal:
    at = words(text)
    gaps = [(left[1], right[0]) for left, right in pairwise(at) if text[left[1] : right[0]].isspace()]
    return len(at), ((start, end, "") for (start, end), _ in ranked(rng, gaps))


synonym = span_operator(_synonym)
antonym = span_operator(_antonym)
word_insertion = span_operator(_insertion)
word_swap = span_operator(_swap, cost=2)
word_deletion = span_operator(_deletion)
text_token_dropout = span_operator(_token_dropout)
punctuation = span_operator(_punctuation)
word_split = span_operator(_split)
word_merge = span_operator(_merge)
