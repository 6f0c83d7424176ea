"""What every embedding must be, checked and enforced in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Embeddings, Fused
from mafs_bench.errors import AdapterError
from mafs_bench.types import FloatArray

_NORM_TOLERANCE = 1e-3


def unit_rows(vectors: npt.NDArray[Any], name: str, what: str) -> FloatArray:
    """Scale the rows (n, d) to unit length, float32.

    Raises ``AdapterError`` naming the first row that is not finite or has length zero; ``what`` is what a
    row stands for ("image", "text").
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if bad.size:
        kind = "zero-length" if lengths[bad[0]] == 0 else "non-finite"
        raise AdapterError(f"{name}: {kind} embedding of {what} {bad[0]} (of {len(vectors)}, from 0)")
    scaled: FloatArray = (vectors / lengths[:, None]).astype(np.float32)
    return scaled


def mean_of_pairs(images: Embeddings, texts: Embeddings, name: str) -> Fused:
    """Fixed fusion of n aligned pairs: the normalised mean of both vectors, present or not.

    Raises ``AdapterError`` for a pair of opposite vectors.
    """
    half = np.full(len(images), 0.5, dtype=np.float32)
    mean = (images.vectors + texts.vectors) / 2
    return Fused(unit_rows(mean, name, "pair"), {"alpha_image": half, "alpha_text": half})


def validated(vectors: Any, n: int, name: str) -> FloatArray:
    """Hold an adapter's output against the protocol: float32 (n, d), finite, of unit length within 1e-3.

    Raises ``AdapterError`` in one line naming the first offending row.
    """
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        got = f"shape {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise AdapterError(f"{name}: embeddings must be a numpy array (n, d), got {got}")
    if len(vectors) != n:
        raise AdapterError(f"{name}: {n} items went in, {len(vectors)} embeddings came out")
    if vectors.dtype != np.float32:
        raise AdapterError(f"{name}: embeddings must be float32, got {vectors.dtype}")
    lengths = np.linalg.norm(vectors, axis=1)
    bad = np.flatnonzero(~(np.abs(lengths - 1) <= _NORM_TOLERANCE))
    if bad.size:
        raise AdapterError(
            f"{name}: embedding {bad[0]} (of {n}, from 0) has length {lengths[bad[0]]:.4g}, must be 1"
        )
    return vectors


def as_embeddings(encoded: FloatArray | Embeddings, n: int, name: str) -> Embeddings:
    """Bring either form of an encoder's output to ``Embeddings``, validated; bare arrays count as present."""
    given = encoded if isinstance(encoded, Embeddings) else Embeddings(encoded, np.ones(n, dtype=bool))
    validated(given.vectors, n, name)
    rows = {"present": given.present, **given.signals, **given.states}
    for key, values in rows.items():
        if len(values) != n:
            raise AdapterError(f"{name}: {n} items went in, {key} has {len(values)} rows")
    return given
