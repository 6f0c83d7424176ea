"""Convert decoded pixels to sRGB: embedded profiles, transparency, 16-bit grey."""

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
"""Pillow's modes for grey values of more than 8 bits."""

# Of the four kinds of 16-bit grey TIFF, Pillow does not know this one: big-endian, 0 is white.
OPEN_INFO.setdefault((MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))

_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""The colour space that a profile must have to apply to pixels of a mode."""

_SRGB_TOLERANCE = 2
"""A profile that differs from sRGB by at most this many levels counts as sRGB: profile tables are rounded."""


def to_rgb(image: PIL.Image.Image, path: str) -> Image:
    """The pixels of a loaded image as sRGB, uint8 (H, W, 3), composited over white.

    An embedded ICC profile is applied. A profile that cannot be read, or that is for another colour space, is
    ignored, as image viewers do. ``path`` names the image in error messages. Raises ``DataError`` for pixels
    without a defined range (32-bit integers, floats).
    """
    if image.mode == "F":
        raise DataError(
            f"{path}: floating-point pixels have no defined range; allowed: 8 or 16 bits per channel"
        )
    profile = image.info.get("icc_profile")
    colours, alpha = _layers(image, path)
    shown = _to_srgb(colours, profile) if isinstance(profile, bytes) else colours.convert("RGB")
    if alpha is None:
        return np.array(shown)
    layer = shown.copy()
    layer.putalpha(alpha)
    white = PIL.Image.new("RGBA", layer.size, "white")
    return np.array(PIL.Image.alpha_composite(white, layer).convert("RGB"))


def _layers(image: PIL.Image.Image, path: str) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """The colours of an image (8-bit grey, RGB, CMYK, LAB, HSV) and its alpha, None if it is opaque."""
    if image.mode in SIXTEEN_BIT:
        return _from_sixteen_bit(image, path)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        colours = layer.convert("RGB")
        return colours.convert("L") if grey else colours, layer.getchannel("A")
    if grey:
        return image.convert("L"), None
    return image if image.mode in ("RGB", "CMYK") else image.convert("RGB"), None


def _from_sixteen_bit(image: PIL.Image.Image, path: str) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Grey values scaled by 1/257 and rounded; the grey value that a PNG declares transparent gets alpha 0."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path}: 32-bit pixels have no defined range; allowed: 8 or 16 bits per channel")
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = PIL.Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
    if _counts_from_white(image):
        values = 65535 - values.astype(np.int32)
    return PIL.Image.fromarray(_eight_bits(values)), alpha


def _eight_bits(values: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _counts_from_white(image: PIL.Image.Image) -> bool:
    """Whether this is a TIFF in which 0 is white; Pillow inverts such values for 8 bits only."""
    return isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0


def _to_srgb(colours: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    transform = _transform(profile, colours.mode)
    if transform is None:
        return colours.convert("RGB")
    converted = PIL.ImageCms.applyTransform(colours, transform)
    return colours.convert("RGB") if converted is None else converted


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> PIL.ImageCms.ImageCmsTransform | None:
    """The transform from pixels of that mode to sRGB; None if the profile is sRGB or does not apply to the mode."""
    try:
        source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES.get(mode):
            return None
        transform = PIL.ImageCms.buildTransform(source, PIL.ImageCms.createProfile("sRGB"), mode, "RGB")
    except (PIL.ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: PIL.ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a grid of colours changes by at most ``_SRGB_TOLERANCE`` levels; always False for CMYK."""
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
