"""All fusions by name: MA-AFS, its variants and its baselines."""

from __future__ import annotations

from collections.abc import Callable

from mafs_bench.mafs.confidence import PDF, QMF, TMC
from mafs_bench.mafs.fusion import (
    ConcatFusion,
    FixedFusion,
    OracleFusion,
    ScheduledFusion,
    StaticFusion,
    WeightedFusion,
)
from mafs_bench.mafs.signals import PLAIN_SIGNALS, TOKEN_SIGNALS

FUSIONS: dict[str, Callable[[int], WeightedFusion]] = {
    "image-only": lambda dim: FixedFusion(dim, 1.0, 1e-9),
    "text-only": lambda dim: FixedFusion(dim, 1e-9, 1.0),
    "mean": lambda dim: FixedFusion(dim, 0.5, 0.5),
    "quarter-image": lambda dim: FixedFusion(dim, 0.25, 0.75),
    "quarter-text": lambda dim: FixedFusion(dim, 0.75, 0.25),
    "static": StaticFusion,
    "concat": ConcatFusion,
    "qmf": QMF,
    "pdf": PDF,
    "tmc": TMC,
    "oracle": OracleFusion,
    "mafs": lambda dim: ScheduledFusion(dim, PLAIN_SIGNALS),
    "mafs@2": lambda dim: ScheduledFusion(dim, (*PLAIN_SIGNALS, *TOKEN_SIGNALS)),
}
"""Fusions by name; "mafs" is plain MA-AFS, "mafs@2" a variant that also reads the text's tokens."""

CAPTIONING = ("mafs", "mean", "static")
"""Fusions that support captioning: those with fixed or scheduled weights. The others need a complete text, not a
caption being generated; and captioning needs both the image and the words so far."""
