"""MA-AFS over the uni-modal embeddings of ALBEF and BLIP (a reconstruction from the public abstract)."""

from __future__ import annotations

from typing import ClassVar

from mafs_bench.mafs.fused_adapter import ScheduledBackbone


class MafsAlbef(ScheduledBackbone):
    """MA-AFS on ALBEF's image and text towers."""

    backbone: ClassVar[str] = "albef"
    fusion: ClassVar[str] = "mafs"

    @classmethod
    def spec_name(cls) -> str:
        """The model's name on the command line."""
        return "mafs-albef"


class MafsBlip(ScheduledBackbone):
    """MA-AFS on BLIP's image and text towers."""

    backbone: ClassVar[str] = "blip"
    fusion: ClassVar[str] = "mafs"

    @classmethod
    def spec_name(cls) -> str:
        """The model's name on the command line."""
        return "mafs-blip"
