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
        """What the model is called on the command line."""
        return "mafs-clip"


class MafsClip2(MafsClip):
    """A variant beyond the abstract: the scheduler also reads how the text's words fall into tokens.

    A caption in the making has no damaged words to read, so that captions are plain MA-AFS's.
    """

    fusion: ClassVar[str] = "mafs@2"
    captions: ClassVar[str] = "mafs"

    @classmethod
    def spec_name(cls) -> str:
        """What the model is called on the command line."""
        return "mafs-clip@2"
