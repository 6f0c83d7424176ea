"""Baseline fusions for MA-AFS, with the same frozen CLIP, training data and budget."""

from __future__ import annotations

from typing import ClassVar

from mafs_bench.mafs.fused_adapter import FusedBackbone
from mafs_bench.mafs.fused_captions import CaptioningBackbone


class ImageOnly(FusedBackbone):
    """The image only, if present."""

    fusion: ClassVar[str] = "image-only"


class TextOnly(FusedBackbone):
    """The text only, if present."""

    fusion: ClassVar[str] = "text-only"


class Mean(CaptioningBackbone):
    """Equal weights."""

    fusion: ClassVar[str] = "mean"


class Static(CaptioningBackbone):
    """One learned weight for all pairs."""

    fusion: ClassVar[str] = "static"


class QMF(FusedBackbone):
    """Quality-aware multimodal fusion (Zhang et al., ICML 2023), adapted."""

    fusion: ClassVar[str] = "qmf"


class PDF(FusedBackbone):
    """Predictive dynamic fusion (Cao et al., ICML 2024), adapted."""

    fusion: ClassVar[str] = "pdf"


class TMC(FusedBackbone):
    """Trusted multi-view classification (Han et al., ICLR 2021), adapted."""

    fusion: ClassVar[str] = "tmc"


class Concat(FusedBackbone):
    """An MLP over both vectors."""

    fusion: ClassVar[str] = "concat"
