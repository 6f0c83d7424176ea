"""CLIPScore and RefCLIPScore of captions (Hessel et al., EMNLP 2021, arXiv 2104.08718).

A dual encoder, the judge, measures how close a caption is to its image and to the human references. The numbers
depend on the judge: published ones use CLIP ViT-B/32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mafs_bench.metrics.columns import Array, mean_of, ratio
from mafs_bench.types import FloatArray, Metric

PREFIX = "A photo depicts "
"""The judge's prompt before every caption and reference."""

_W = 2.5
_HIGHEST_REF = 2 * _W / (_W + 1)
"""The harmonic mean of 2.5 and 1."""


def clip_scores(images: FloatArray, captions: FloatArray) -> Array:
    """2.5 * max(cos, 0) of aligned unit vectors (n, d): float64 (n,) in [0, 2.5]."""
    return _W * np.clip(_cosines(images, captions), 0, 1)


def ref_clip_scores(scores: Array, captions: FloatArray, references: Sequence[FloatArray]) -> Array:
    """Harmonic mean of CLIPScore (n,) and max(0, cosine to the nearest reference): float64 (n,).

    captions: unit vectors (n, d). references: unit vectors (k, d) per caption, k >= 1.
    """
    nearest = [
        _cosines(np.broadcast_to(caption, texts.shape), texts).max()
        for caption, texts in zip(captions, references, strict=True)
    ]
    near = np.clip(np.array(nearest, dtype=np.float64), 0, 1)
    total = scores + near
    return np.divide(2 * scores * near, total, out=np.zeros_like(total), where=total > 0)


def _cosines(a: FloatArray, b: FloatArray) -> Array:
    return np.asarray(np.einsum("nd,nd->n", a.astype(np.float64), b.astype(np.float64)))


CLIP_SCORE_METRICS: tuple[Metric, ...] = tuple(
    Metric(name, "captioning", 0.0, high, True, source, mean_of(name), ratio, interval="bootstrap-t")
    for name, high, source in (
        ("clip_score", _W, "CLIPScore: Hessel et al., EMNLP 2021, w = 2.5"),
        ("ref_clip_score", _HIGHEST_REF, "RefCLIPScore: Hessel et al., EMNLP 2021"),
    )
)
"""Columns ``clip_score`` and ``ref_clip_score``; not available without a judge."""
