"""What a corruption really did: error rates of texts, pixel differences of images."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from mafs_bench.types import Image


def audit_text(clean: str, corrupted: str) -> dict[str, float]:
    """Character and word error rate: edit distance over the length of the clean text (at least 1)."""
    words = clean.split()
    return {
        "character_error_rate": edit_distance(clean, corrupted) / max(1, len(clean)),
        "word_error_rate": edit_distance(words, corrupted.split()) / max(1, len(words)),
    }


def audit_image(clean: Image, corrupted: Image) -> dict[str, float]:
    """Share of pixels that differ in any channel, and mean absolute difference in grey levels (0 to 255)."""
    difference = np.abs(clean.astype(np.int16) - corrupted)
    return {
        "pixels_changed": float(np.mean(difference.any(axis=-1))) if difference.size else 0.0,
        "mean_absolute_difference": float(np.mean(difference)) if difference.size else 0.0,
    }


def edit_distance(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Levenshtein distance, one column of the table at a time as bits (Myers 1999, Hyyrö 2003)."""
    first, last_left, last_right = 0, len(left), len(right)
    while first < min(last_left, last_right) and left[first] == right[first]:
        first += 1
    while last_left > first and last_right > first and left[last_left - 1] == right[last_right - 1]:
        last_left, last_right = last_left - 1, last_right - 1
    left, right = left[first:last_left], right[first:last_right]
    if not left or not right:
        return max(len(left), len(right))
    everything, top = (1 << len(left)) - 1, 1 << (len(left) - 1)
    where: dict[Hashable, int] = {}
    for i, unit in enumerate(left):
        where[unit] = where.get(unit, 0) | 1 << i
    rises, falls, distance = everything, 0, len(left)
    for unit in right:
        equal = where.get(unit, 0)
        vertical = equal | falls
        equal |= ((equal & rises) + rises) ^ rises
        up = falls | everything & ~(equal | rises)
        down = rises & equal
        distance += bool(up & top) - bool(down & top)
        up, down = up << 1 | 1, down << 1
        rises = (down | ~(vertical | up)) & everything
        falls = up & vertical & everything
    return distance
