"""Decode picture files to RGB, every conversion explicit.

Grayscale and bilevel values are repeated over three channels; alpha is laid over white; palettes are
expanded; CMYK, YCbCr, LAB and HSV go through Pillow's conversion; 16-bit grayscale is scaled by 1/257 and
rounded; of an animation the first frame counts. EXIF orientation is left alone, as the common readers of
COCO and Flickr30k do.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image

from mafs_bench.errors import DataError
from mafs_bench.types import Image

MAX_PIXELS = 89_478_485
"""More pixels than this are refused: 256 MiB of RGB, Pillow's own threshold for a decompression bomb."""

_BROKEN_FILE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_SIXTEEN_BIT = {"I", "I;16", "I;16B", "I;16L", "I;16N"}


@dataclass(frozen=True, slots=True)
class FileImage:
    """A picture in a file (an ``ImageSource``)."""

    path: str

    @property
    def name(self) -> str:
        """The file's path."""
        return self.path

    def load(self) -> Image:
        """Decode the file. Raises ``DataError``."""
        return decode(self.path)


def decode(file: str | Path | BinaryIO, name: str | None = None) -> Image:
    """Decode one file (a path, or an open one that messages call ``name``) to uint8 (H, W, 3).

    Raises ``DataError`` naming the file where it is missing, truncated, no picture, of a pixel format without
    a defined range (32-bit integers, floats), or larger than ``MAX_PIXELS``.
    """
    path = str(file) if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(file) as picture:
                _refuse_huge(picture, path)
                return _rgb(picture, path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except PIL.UnidentifiedImageError as error:
        raise DataError(f"{path}: not a picture that can be read") from error
    except PIL.Image.DecompressionBombError as error:
        raise DataError(f"{path}: more than {MAX_PIXELS:,} pixels") from error
    except _BROKEN_FILE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be decoded: {reason}") from error


def picture_size(path: str | Path) -> tuple[int, int] | None:
    """Width and height in pixels, as a file's first bytes say; None where they cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as picture:
                return picture.size
    except (*_BROKEN_FILE, PIL.Image.DecompressionBombError):
        return None


def _refuse_huge(picture: PIL.Image.Image, path: str | Path) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{path}: {width}x{height} is more than {MAX_PIXELS:,} pixels")


def _rgb(picture: PIL.Image.Image, path: str | Path) -> Image:
    if picture.mode in _SIXTEEN_BIT:
        return _from_sixteen_bit(np.asarray(picture), path)
    if picture.mode == "F":
        raise DataError(
            f"{path}: floating-point pixels have no defined range; allowed: 8 or 16 bits a channel"
        )
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", layer.size, "white")
        picture = PIL.Image.alpha_composite(white, layer)
    return np.array(picture.convert("RGB"))


def _from_sixteen_bit(values: np.ndarray, path: str | Path) -> Image:
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path}: 32-bit pixels have no defined range; allowed: 8 or 16 bits a channel")
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
