"""What every rule of English shares: words in context, a/an, case, and "not applicable" to other languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text.spans import Edit, Sites, outside, pick, protected_spans, span_operator
from mafs_bench.corruptions.text.tagging import Token, tagged


def listed(words: str) -> frozenset[str]:
    """The words of a list that is written with spaces."""
    return frozenset(words.split())


_ARTICLE = re.compile(r"(?<![\w'’-])(an?)(\s+)$", re.IGNORECASE)
_FIRST_WORD = re.compile(r"[\s\"'“‘(]*([\w'’-]+)")
_TOKEN = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]|_+")
FUNCTION_WORDS = listed(
    "a an the and or but of to in on at by for with from as is are was were be been being it its "
    "his her their they he she him them this that these those who which what where when while "
    "near next into onto over under behind beside between through across around along up down off "
    "out inside outside above below against toward towards during not no have has had do does did "
    "can will there here so than then each other another some both all my your our us we you i am "
    "if very too also just about after before until without within underneath beneath atop like"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_VOWEL_SOUND = re.compile(r"hour|honest|hono|heir(?!loom)|heirloom|8|1[18](?!\d)")
_CONSONANT_SOUND = re.compile(r"eu|ewe|one(?!r)|once|uni(?![nmd])|us[aeu]|ute|uti|ukulele|urin|ubiq|u-|u\b")
_SPELLED_WITH_A_VOWEL = frozenset("AEFHILMNORSX")
"""Letters whose names begin with a vowel: an MRI, a TV."""


class Place(NamedTuple):
    """A stretch of text, and what a rule may write there."""

    start: int
    end: int
    options: Sequence[str]


class Words:
    """The tagged tokens of a text, and what stands around each."""

    __slots__ = ("lower", "tokens")

    def __init__(self, text: str) -> None:
        self.tokens: Sequence[Token] = tagged(text)
        self.lower: list[str] = [token.word.lower() for token in self.tokens]

    def word(self, index: int) -> str:
        """The word at a place in small letters; empty beyond either end."""
        return self.lower[index] if 0 <= index < len(self.lower) else ""

    def tag(self, index: int) -> str:
        """The tag at a place; empty beyond either end."""
        return self.tokens[index].tag if 0 <= index < len(self.lower) else ""

    def is_noun(self, index: int) -> bool:
        """Whether a noun, common or proper, stands there."""
        return self.tag(index).startswith("NN")


class Plain:
    """The words and marks of a text without tags, for rules that go by the words alone."""

    __slots__ = ("_forbidden", "_text", "lower", "spans")

    def __init__(self, text: str) -> None:
        self._text = text
        self.spans = [match.span() for match in _TOKEN.finditer(text)]
        self.lower = [text[start:end].lower() for start, end in self.spans]
        self._forbidden = protected_spans(text)

    def word(self, index: int) -> str:
        """The word at a place in small letters; empty beyond either end."""
        return self.lower[index] if 0 <= index < len(self.lower) else ""

    def is_free(self, index: int) -> bool:
        """Whether the word is no part of an address or a placeholder."""
        return not self._forbidden or bool(outside(self._forbidden, [self.spans[index]]))

    def is_capital(self, index: int) -> bool:
        """Whether the word begins with a capital."""
        return self._text[self.spans[index][0]].isupper()


def lowered(text: str) -> list[str]:
    """The runs of letters in a text, small: whether a rule may find anything, at a tenth of the cost of tagging."""
    return _LETTERS.findall(text.lower())


def takes_an(word: str) -> bool:
    """Whether ``an`` stands before a word, by how it sounds as far as its spelling tells."""
    if len(word) > 1 and word.isupper() and len(word) <= 4:
        return word[0] in _SPELLED_WITH_A_VOWEL
    word = word.lower()
    if word[:1] in "aeiou":
        return not _CONSONANT_SOUND.match(word)
    return bool(_VOWEL_SOUND.match(word))


def with_article(text: str, edit: Edit) -> Edit:
    """The edit, together with the article in front of it where the new word asks for the other one."""
    start, end, new = edit
    last = text[start - 2 : start - 1]
    if last not in "aAnN" and not last.isspace():
        return edit
    article = _ARTICLE.search(text, max(0, start - 6), start)
    if article is None:
        return edit
    first = _FIRST_WORD.match(new) or _FIRST_WORD.match(text, end)
    if first is None:
        return edit
    old = article[1]
    right = old[0] + ("n" if takes_an(first[1]) else "")
    return edit if right.lower() == old.lower() else (article.start(), end, right + article[2] + new)


def cased(new: str, old: str, text: str) -> str:
    """Write ``new`` as ``old`` is written; letters in capitals that belong to the word ("TV") stay, and those of an
    old abbreviation do not spread to a word ("TV" -> "television") unless all of the text is in capitals.
    """
    if len(old) > 1 and old.isupper() and text.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() and not _abbreviates(old) else new


def _abbreviates(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def english_operator(
    find: Callable[[str], Sites], *, exclusive: bool = False, articles: bool = True
) -> TextOperator:
    """A ``span_operator`` for English alone, whose edits keep a/an in agreement."""

    def agreeing(text: str) -> Sites:
        sites = find(text)
        if not articles:
            return sites
        return Sites(sites.total, sites.at, lambda place, draw: with_article(text, sites.edit(place, draw)))

    return replace(span_operator(agreeing, exclusive=exclusive), language="en")


def exchanges(text: str, places: Sequence[Place]) -> Sites:
    """Places at which one of several options is drawn, written in the case of what stands there."""

    def edit(place: Place, draw: int) -> Edit:
        start, end, options = place
        return start, end, cased(pick(options, draw), text[start:end], text)

    return Sites(len(places), places, edit)


def ready_made(edits: Sequence[Edit]) -> Sites:
    """Places that are edits already."""
    return Sites(len(edits), edits, lambda edit, draw: edit)
