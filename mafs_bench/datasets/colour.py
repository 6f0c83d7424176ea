"""From the pixels of a decoded file to sRGB: embedded profiles, transparency, 16-bit grey."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageCms
from PIL.TiffImagePlugin import MM, OPEN_INFO, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from mafs_bench.errors import DataError
from mafs_bench.types import Image

SIXTEEN_BIT = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's modes of grey values beyond 8 bits."""

# Pillow lacks this one of the four kinds of 16-bit grey: high byte first, counted from white.
OPEN_INFO.setdefault((MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))

_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""The colour space that a profile must have to describe pixels of a mode."""

_SRGB_TOLERANCE = 2
"""Levels by which a profile may differ from sRGB and still be taken for it: its tables are rounded."""


def to_rgb(picture: PIL.Image.Image, path: str) -> Image:
    """The pixels of a loaded picture as sRGB, uint8 (H, W, 3), transparent parts laid over white.

    An embedded ICC profile is applied; one that cannot be read, or that describes another kind of pixels, is
    ignored, as viewers do. ``path`` is what messages call the picture. Raises ``DataError`` for pixels without
    a defined range (32-bit integers, floats).
    """
    if picture.mode == "F":
        raise DataError(
            f"{path}: floating-point pixels have no defined range; allowed: 8 or 16 bits per channel"
        )
    profile = picture.info.get("icc_profile")
    colours, alpha = _layers(picture, path)
    shown = _to_srgb(colours, profile) if isinstance(profile, bytes) else colours.convert("RGB")
    if alpha is None:
        return np.array(shown)
    layer = shown.copy()
    layer.putalpha(alpha)
    white = PIL.Image.new("RGBA", layer.size, "white")
    return np.array(PIL.Image.alpha_composite(white, layer).convert("RGB"))


def _layers(picture: PIL.Image.Image, path: str) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """The colours of a picture (8-bit grey, RGB, CMYK, LAB, HSV) and its opacity, None where all is opaque."""
    if picture.mode in SIXTEEN_BIT:
        return _from_sixteen_bit(picture, path)
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        colours = layer.convert("RGB")
        return colours.convert("L") if grey else colours, layer.getchannel("A")
    if grey:
        return picture.convert("L"), None
    return picture if picture.mode in ("RGB", "CMYK") else picture.convert("RGB"), None


def _from_sixteen_bit(picture: PIL.Image.Image, path: str) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Grey values scaled by 1/257 and rounded; the one that a PNG calls transparent is not opaque."""
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path}: 32-bit pixels have no defined range; allowed: 8 or 16 bits per channel")
    transparent = picture.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = PIL.Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
    if _counts_from_white(picture):
        values = 65535 - values.astype(np.int32)
    return PIL.Image.fromarray(_eight_bits(values)), alpha


def _eight_bits(values: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _counts_from_white(picture: PIL.Image.Image) -> bool:
    """Whether it is a TIFF whose grey values Pillow leaves inverted: it turns those of 8 bits only."""
    return isinstance(picture, TiffImageFile) and picture.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0


def _to_srgb(colours: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    transform = _transform(profile, colours.mode)
    if transform is None:
        return colours.convert("RGB")
    converted = PIL.ImageCms.applyTransform(colours, transform)
    return colours.convert("RGB") if converted is None else converted


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> PIL.ImageCms.ImageCmsTransform | None:
    """From pixels of that mode to sRGB; None where the profile is sRGB itself or does not describe them."""
    try:
        source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES.get(mode):
            return None
        transform = PIL.ImageCms.buildTransform(source, PIL.ImageCms.createProfile("sRGB"), mode, "RGB")
    except (PIL.ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: PIL.ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether all of a lattice of colours stay within ``_SRGB_TOLERANCE`` levels; never so for CMYK."""
    if mode == "CMYK":
        return False
    lattice = PIL.Image.fromarray(_LATTICES[mode])
    converted = PIL.ImageCms.applyTransform(lattice, transform)
    before, after = (np.asarray(p.convert("RGB"), dtype=np.int16) for p in (lattice, converted or lattice))
    return bool(np.abs(after - before).max() <= _SRGB_TOLERANCE)


_STEPS = np.linspace(0, 255, 17).astype(np.uint8)
_LATTICES = {
    "L": np.arange(256, dtype=np.uint8)[None],
    "RGB": np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(1, -1, 3),
}
