"""Fusions by name, and the specs ``BACKBONE+FUSION``: one model on any dual encoder. Nothing here imports torch."""

from __future__ import annotations

from mafs_bench.errors import UnknownNameError
from mafs_bench.registry import Registry, is_file_reference

FUSIONS = Registry(
    kind="fusion",
    group="mafs_bench.fusions",
    entries={
        "concat": "mafs_bench.mafs.catalogue:CONCAT",
        "image-only": "mafs_bench.mafs.catalogue:IMAGE_ONLY",
        "mafs": "mafs_bench.mafs.catalogue:MAFS",
        "mafs@2": "mafs_bench.mafs.catalogue:MAFS_2",
        "mean": "mafs_bench.mafs.catalogue:MEAN",
        "pdf": "mafs_bench.mafs.catalogue:PDF_FUSION",
        "qmf": "mafs_bench.mafs.catalogue:QMF_FUSION",
        "static": "mafs_bench.mafs.catalogue:STATIC",
        "text-only": "mafs_bench.mafs.catalogue:TEXT_ONLY",
        "tmc": "mafs_bench.mafs.catalogue:TMC_FUSION",
    },
)
SHORT_NAMES = {
    "mafs-albef": ("albef", "mafs"),
    "mafs-blip": ("blip", "mafs"),
    "mafs-clip": ("clip", "mafs"),
    "mafs-clip@2": ("clip", "mafs@2"),
}
"""Names of MA-AFS on a backbone -> the backbone and the fusion."""

FUSED = "BACKBONE+FUSION"
"""What the class of all fused models is registered as."""


def split_fused(spec: str) -> tuple[str, str] | None:
    """The backbone's spec and the fusion of ``BACKBONE+FUSION``; None for a spec of another kind.

    Equal are ``clip:ARGUMENT+mean`` and ``clip+mean:ARGUMENT``, and for a backbone of the user's
    ``file.py:Class+mean`` and ``clip+mean:file.py:Class``.

    >>> split_fused("clip:ViT-B-32/openai+mean"), split_fused("mafs-clip:ViT-B-32/openai"), split_fused("clip")
    (('clip:ViT-B-32/openai', 'mean'), ('clip:ViT-B-32/openai', 'mafs'), None)
    """
    name, _, argument = spec.partition(":")
    if (named := SHORT_NAMES.get(name) or _at_plus(name)) is not None:
        backbone, fusion = named
        if not argument:
            return backbone, fusion
        return argument if is_file_reference(argument) else f"{backbone}:{argument}", fusion
    return _at_plus(spec)


def _at_plus(text: str) -> tuple[str, str] | None:
    backbone, _, fusion = text.rpartition("+")
    return (backbone, fusion) if backbone and fusion in FUSIONS.names() else None


def require_fusion(spec: str, backbones: tuple[str, ...]) -> None:
    """Raise ``UnknownNameError`` where a spec names a known backbone and an unknown fusion."""
    backbone, _, fusion = spec.partition(":")[0].rpartition("+")
    if backbone in backbones:
        raise UnknownNameError("fusion", fusion, FUSIONS.names())
