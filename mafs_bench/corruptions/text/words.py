"""Word corruptions. ``rate`` is a share of the words; for synonyms and antonyms, of those that have one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from mafs_bench.corruptions.text.spans import Edit, Sites, pick, span_operator, tokens, words
from mafs_bench.corruptions.text.tagging import match_case, related, tagged

_MARKS = (".", ",", "!", "?", ";", ":")
"""Those that AEDA inserts (Karimi et al., 2021)."""


def _exchange(text: str, relation: Literal["synonyms", "antonyms"]) -> Sites:
    options = {
        (token.start, token.end): found
        for token in tagged(text)
        if token.editable and (found := related(token.word, token.tag, relation))
    }

    def edit(span: tuple[int, int], draw: int) -> Edit:
        return *span, match_case(pick(options[span], draw), text[slice(*span)])

    return Sites(len(options), list(options), edit)


def _synonym(text: str) -> Sites:
    return _exchange(text, "synonyms")


def _antonym(text: str) -> Sites:
    return _exchange(text, "antonyms")


def _insertion(text: str) -> Sites:
    """In front of a word a synonym of one of them, else one of them again (EDA, Wei and Zou 2019)."""
    at = words(text)
    pool = [
        other
        for token in tagged(text)
        if token.editable
        for other in related(token.word, token.tag, "synonyms")
    ] or [text[start:end].lower() for start, end in at]
    return Sites(len(at), at, lambda span, draw: (span[0], span[0], pick(pool, draw) + " "))


def _swap(text: str) -> Sites:
    at = words(text)
    neighbours = [(left, right) for left, right in pairwise(at) if text[slice(*left)] != text[slice(*right)]]

    def edit(pair: tuple[tuple[int, int], tuple[int, int]], draw: int) -> Edit:
        (start, left), (right, end) = pair
        return start, end, text[right:end] + text[left:right] + text[start:left]

    return Sites(len(at), neighbours, edit)


def _removals(text: str, at: Sequence[tuple[int, int]]) -> Sites:
    return Sites(len(at), at, lambda span, draw: removal(text, *span))


def removal(text: str, start: int, end: int) -> Edit:
    """Cut a word out with one of the spaces around it: the one behind, else the one before."""
    if text[end : end + 1].isspace():
        return start, end + 1, ""
    if start and text[start - 1].isspace():
        return start - 1, end, ""
    return start, end, ""


def _deletion(text: str) -> Sites:
    return _removals(text, words(text))


def _token_dropout(text: str) -> Sites:
    return _removals(text, tokens(text))


def _punctuation(text: str) -> Sites:
    at = words(text)
    return Sites(len(at), at, lambda span, draw: (span[0], span[0], pick(_MARKS, draw) + " "))


def _split(text: str) -> Sites:
    at = words(text)
    long = [(start, end) for start, end in at if end - start >= 4 and text[start:end].isalpha()]

    def edit(span: tuple[int, int], draw: int) -> Edit:
        cut = span[0] + 1 + ((draw * (span[1] - span[0] - 1)) >> 32)
        return cut, cut, " "

    return Sites(len(at), long, edit)


def _merge(text: str) -> Sites:
    at = words(text)
    gaps = [(left[1], right[0]) for left, right in pairwise(at) if text[left[1] : right[0]].isspace()]
    return Sites(len(at), gaps, lambda gap, draw: (*gap, ""))


synonym = span_operator(_synonym)
antonym = span_operator(_antonym)
word_insertion = span_operator(_insertion)
word_swap = span_operator(_swap, cost=2, exclusive=True)
word_deletion = span_operator(_deletion, spare=1)
text_token_dropout = span_operator(_token_dropout, spare=1)
punctuation = span_operator(_punctuation)
word_split = span_operator(_split)
word_merge = span_operator(_merge)
