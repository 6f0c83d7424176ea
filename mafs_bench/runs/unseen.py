"""What of a corruption of texts never reaches a model: tokens that stay the same, and changes beyond its context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mafs_bench.adapters.base import Adapter
from mafs_bench.types import FloatArray

UNSEEN, BEYOND_CUT = "texts_unseen", "texts_beyond_cut"
"""Names in a cell's record: shares of the changed texts."""

_SAME = 1e-6
"""Difference of two vectors' entries up to which they are of the same tokens."""

Shares = dict[str, float | None]


def unseen_tokens(adapter: Adapter, clean: Sequence[str], corrupted: Sequence[str]) -> Shares | None:
    """Shares of the changed texts that the model reads as it reads the clean ones; None: its tokens are unknown.

    ``texts_beyond_cut`` is the part of them whose tokens differ behind the cut. A share of no changed text is None.
    """
    pairs = [(a, b) for a, b in zip(clean, corrupted, strict=True) if a != b]
    if not pairs:
        return {UNSEEN: None}
    distinct = sorted({text for pair in pairs for text in pair})
    read, whole = (adapter.read_tokens(distinct, cut=cut) for cut in (True, False))
    if read is None or whole is None:
        return None
    seen = {text: tuple(ids) for text, ids in zip(distinct, read, strict=True)}
    written = {text: tuple(ids) for text, ids in zip(distinct, whole, strict=True)}
    same = [pair for pair in pairs if seen[pair[0]] == seen[pair[1]]]
    beyond = [pair for pair in same if written[pair[0]] != written[pair[1]]]
    return {UNSEEN: _share(len(same), len(pairs)), BEYOND_CUT: _share(len(beyond), len(pairs))}


def unseen_vectors(
    clean: Sequence[str], corrupted: Sequence[str], before: FloatArray, after: FloatArray
) -> Shares:
    """As ``unseen_tokens``, by vectors (n, d) of the texts that stay the same."""
    changed = np.array([a != b for a, b in zip(clean, corrupted, strict=True)], dtype=bool)
    same = np.abs(before[changed] - after[changed]).max(axis=1, initial=0.0) <= _SAME
    return {UNSEEN: _share(int(np.count_nonzero(same)), int(np.count_nonzero(changed)))}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
