"""Words with part-of-speech tags (Penn Treebank), WordNet lookup and inflection; nothing is downloaded.

Tags come from the lexicon and rules that ship with textblob, inflection from lemminflect, synonyms and
antonyms from the table that ``compile_wordnet`` made.
"""

from __future__ import annotations

import gzip
import re
import sys
from functools import lru_cache
from typing import Literal, NamedTuple

from mafs_bench.corruptions.text.compile_wordnet import TABLE
from mafs_bench.corruptions.text.spans import protected_spans, words

_TOKEN = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]|_+")
_NOT_PLAIN = re.compile(r"\d|\([A-Z]\)|(?:^|\s)[A-Z][).:]")
"""What a text holds where some of its words may not be edited."""
_POSSESSIVE = re.compile(r"['’]s$")
_UNIVERSAL = {"N": "NOUN", "V": "VERB", "J": "ADJ", "R": "ADV"}
_WORDNET = {"N": "n", "V": "v", "J": "a", "R": "r"}
_FUNCTION_VERBS = frozenset(
    ("be", "have", "do", "can", "could", "may", "might", "must", "shall", "should", "will", "would")
)


class Token(NamedTuple):
    """A word or a mark: its span in the text, how it is written (without a possessive ``'s``) and its tag."""

    start: int
    end: int
    word: str
    tag: str
    editable: bool


@lru_cache(maxsize=256)
def tagged(text: str) -> tuple[Token, ...]:
    """Split into words and marks and tag them; protected words are not ``editable``."""
    spans, written = [], []
    for match in _TOKEN.finditer(text):
        word = _POSSESSIVE.sub("", match.group())
        spans.append((match.start(), match.start() + len(word)))
        written.append(word)
    if protected_spans(text) or _NOT_PLAIN.search(text):
        free = {start for start, _ in words(text)}
    else:
        free = {start for start, _ in spans if text[start].isalnum()}
    return tuple(
        Token(start, end, word, kind, start in free)
        for (start, end), word, kind in zip(spans, written, _tags(tuple(written)), strict=True)
    )


@lru_cache(maxsize=1 << 15)
def _tags(written: tuple[str, ...]) -> tuple[str, ...]:
    """The tag of each word and mark. Every text of a run is tagged for several corruptions, one after the other."""
    from textblob.en import parser

    return tuple(sys.intern(str(found[1])) for found in parser.find_tags(list(written)))


@lru_cache(maxsize=4096)
def related(word: str, tag: str, relation: Literal["synonyms", "antonyms"]) -> tuple[str, ...]:
    """Synonyms or antonyms of the word's first sense, inflected like the word itself."""
    kind = _WORDNET.get(tag[:1])
    if kind is None or tag.startswith("NNP") or not word.isascii():
        return ()
    lemma = lemma_of(word, tag)
    if lemma in _FUNCTION_VERBS:
        return ()
    found = _wordnet().get((lemma, kind), ("", ""))[relation == "antonyms"]
    inflected = [inflect(other, tag) for other in found.split("|") if other]
    return tuple(other for other in inflected if other != word.lower())


@lru_cache(maxsize=4096)
def lemma_of(word: str, tag: str) -> str:
    """The dictionary form: ``climbing`` as a verb -> ``climb``."""
    from lemminflect import getLemma

    found = getLemma(word.lower(), _UNIVERSAL.get(tag[:1], "NOUN"))
    return str(found[0]) if found else word.lower()


@lru_cache(maxsize=4096)
def inflect(lemma: str, tag: str) -> str:
    """Put a lemma (or two words, a verb first and a noun last) in the form that the tag asks for."""
    from lemminflect import getInflection

    if tag in ("NN", "VB", "VBP", "JJ", "RB", "RP"):
        return lemma
    parts = lemma.split(" ")
    head = 0 if tag.startswith("V") else -1
    forms = getInflection(parts[head], tag)
    if forms:
        parts[head] = str(forms[0])
    return " ".join(parts)


def match_case(new: str, old: str) -> str:
    """Write ``new`` in the case of ``old``: capitals, a capital first letter, or as it is."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


@lru_cache(maxsize=1)
def _wordnet() -> dict[tuple[str, str], tuple[str, str]]:
    with gzip.open(TABLE, "rt", encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        return {(lemma, kind): (synonyms, antonyms) for lemma, kind, synonyms, antonyms in rows}
