"""MA-AFS over CLIP models (arXiv 2506.12733; this project's reconstruction from the public abstract)."""

from __future__ import annotations

from typing import ClassVar

from mafs_bench.mafs.fused_adapter import ScheduledBackbone
from mafs_bench.mafs.fused_captions import CaptioningBackbone


class MafsClip(CaptioningBackbone, ScheduledBackbone):
    """MA-AFS: fusion weights from visual entropy, textual entropy and cross-modal agreement."""

    fusion: ClassVar[str] = "mafs"

    @classmethod
    def spec_name(cls) -> str:
        """The model's name on the command line."""
        return "mafs-clip"


class MafsClip2(MafsClip):
    """A variant beyond the abstract: the scheduler also reads how the words of the text split into tokens.

    A caption being generated has no corrupted words, so captioning is that of plain MA-AFS.
    """

    fusion: ClassVar[str] = "mafs@2"
    captions: ClassVar[str] = "mafs"

    @classmethod
    def spec_name(cls) -> str:
        """The model's name on the command line."""
        return "mafs-clip@2"
