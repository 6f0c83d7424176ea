"""The reference character operators: ``nlpaug`` 1.1.11, unchanged, drawing from a seed instead of global state.

Kept as the library does it, since published numbers rest on it: untouched text is split at marks and joined
again (``girl's`` -> ``girl ' s``), words are chosen first and then letters in them, counts are rounded up, and
each severity draws anew. ``word_rate`` is the library's ``aug_word_p``; everything else is its default.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params


def _draw_seed(rng: KeyedStream, text: str, levels: Sequence[Params]) -> int:
    high, low = rng.uint32(2)
    return high << 32 | low


@lru_cache(maxsize=64)
def _augmenter(kind: str, word_rate: float, action: str | None) -> Any:
    from nlpaug.augmenter import char

    options = {} if action is None else {"action": action}
    return getattr(char, kind)(aug_word_p=word_rate, **options)


def _nlpaug(kind: str, action: str | None = None) -> TextOperator:
    """One of the library's augmenters with its two sources of randomness replaced by a generator of the call."""

    def apply(text: str, draws: int, params: Params) -> str | None:
        augmenter, source = copy.copy(_augmenter(kind, params["word_rate"], action)), random.Random(draws)
        augmenter.sample = lambda options, count=None: source.sample(options, count)
        augmenter.prob = source.random
        made = augmenter.augment(text)
        return str(made[0]) if made else None

    return TextOperator(_draw_seed, apply)


nlpaug_keyboard = _nlpaug("KeyboardAug")
nlpaug_ocr = _nlpaug("OcrAug")
nlpaug_insert = _nlpaug("RandomCharAug", "insert")
nlpaug_replace = _nlpaug("RandomCharAug", "substitute")
nlpaug_swap = _nlpaug("RandomCharAug", "swap")
nlpaug_delete = _nlpaug("RandomCharAug", "delete")
