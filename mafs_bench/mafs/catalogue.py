"""Every fusion by its name: MA-AFS, its variants, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mafs_bench.adapters.fusions import FUSIONS
from mafs_bench.errors import UnknownNameError
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


@dataclass(frozen=True)
class Fusion:
    """What a name stands for. make: the module for vectors of that many entries.

    scheduled: whether it also scores pairs for cross-modal retrieval. captioner: the fusion whose captioner it uses,
    "" for none: only fixed or scheduled weights write captions, as the others weigh what is whole, not a caption in
    the making, and captions need both sides, the image and the words so far.
    """

    make: Callable[[int], WeightedFusion]
    scheduled: bool = False
    captioner: str = ""


CONCAT = Fusion(ConcatFusion)
IMAGE_ONLY = Fusion(lambda dim: FixedFusion(dim, 1.0, 1e-9))
TEXT_ONLY = Fusion(lambda dim: FixedFusion(dim, 1e-9, 1.0))
MEAN = Fusion(lambda dim: FixedFusion(dim, 0.5, 0.5), captioner="mean")
STATIC = Fusion(StaticFusion, captioner="static")
PDF_FUSION, QMF_FUSION, TMC_FUSION = Fusion(PDF), Fusion(QMF), Fusion(TMC)
MAFS = Fusion(lambda dim: ScheduledFusion(dim, PLAIN_SIGNALS), scheduled=True, captioner="mafs")
MAFS_2 = Fusion(
    lambda dim: ScheduledFusion(dim, (*PLAIN_SIGNALS, *TOKEN_SIGNALS)), scheduled=True, captioner="mafs"
)
"""A variant beyond the abstract, which also reads how words split into tokens; a caption being generated has none."""

STUDIED = {
    "quarter-image": Fusion(lambda dim: FixedFusion(dim, 0.25, 0.75)),
    "quarter-text": Fusion(lambda dim: FixedFusion(dim, 0.75, 0.25)),
    "oracle": Fusion(OracleFusion),
}
"""Fusions of studies, which are no models: bounds, and what needs to know the condition."""


def fusion_names() -> tuple[str, ...]:
    """Every fusion, those of studies included."""
    return (*FUSIONS.names(), *STUDIED)


def captioning_fusions() -> tuple[str, ...]:
    """The fusions that have a captioner of their own."""
    return tuple(name for name in FUSIONS.names() if get_fusion(name).captioner == name)


def get_fusion(name: str) -> Fusion:
    """The fusion of that name. Raises ``UnknownNameError``."""
    if name not in fusion_names():  # a file may name anything, and nothing is imported for it
        raise UnknownNameError("fusion", name, fusion_names())
    found: Fusion = STUDIED.get(name) or FUSIONS.get(name)
    return found
