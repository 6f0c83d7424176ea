"""Operators that see a letter with its combining marks as one letter, so that words of every script stay whole.

Each such cluster stands for a single letter that the text does not hold, while an operator works, and is written back
afterwards. Text without marks passes as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text import characters, length, unicode, words
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

_STAND_INS = 0x20000
"""The first code point that stands for a cluster: letters of CJK Extension B, which have no case and no table."""


def _is_mark(letter: str) -> bool:
    return letter > "\u02ff" and unicodedata.category(letter)[0] == "M"


def _encoded(text: str) -> tuple[str, Mapping[int, str]]:
    """The text with a stand-in for each letter that carries marks, and what each stands for."""
    if text.isascii() or not any(map(_is_mark, text)):
        return text, {}
    marks = "".join(sorted({re.escape(letter) for letter in text if _is_mark(letter)}))
    stand_ins: dict[str, str] = {}
    free = (chr(code) for code in range(_STAND_INS, _STAND_INS + 0xA000) if chr(code) not in text)

    def stand_in(match: re.Match[str]) -> str:
        cluster = match[0]
        if cluster not in stand_ins:
            stand_ins[cluster] = next(free)
        return stand_ins[cluster]

    encoded = re.sub(rf"[^\W\d_][{marks}]+", stand_in, text)
    return encoded, {ord(letter): cluster for cluster, letter in stand_ins.items()}


def on_clusters(operator: TextOperator) -> TextOperator:
    """The operator, on letters with their marks."""

    def sample(rng: KeyedStream, text: str, levels: Sequence[Params]) -> Any:
        return operator.sample(rng, _encoded(text)[0], levels)

    def apply(text: str, draws: Any, params: Params) -> str | None:
        encoded, clusters = _encoded(text)
        made = operator.apply(encoded, draws, params)
        return made.translate(clusters) if made is not None and clusters else made

    return replace(operator, sample=sample, apply=apply)


keyboard = on_clusters(characters.keyboard)
ocr = on_clusters(characters.ocr)
char_insert = on_clusters(characters.char_insert)
char_replace = on_clusters(characters.char_replace)
char_swap = on_clusters(characters.char_swap)
char_delete = on_clusters(characters.char_delete)
word_swap = on_clusters(words.word_swap)
word_deletion = on_clusters(words.word_deletion)
word_split = on_clusters(words.word_split)
word_merge = on_clusters(words.word_merge)
punctuation = on_clusters(words.punctuation)
homoglyph = on_clusters(unicode.homoglyph)
leet = on_clusters(unicode.leet)
diacritics = on_clusters(unicode.diacritics)
zero_width = on_clusters(unicode.zero_width)
emoji = on_clusters(unicode.emoji)
casing = on_clusters(unicode.casing)
truncation = on_clusters(length.truncation)
redundant_context = replace(length.redundant_context, language="en")
