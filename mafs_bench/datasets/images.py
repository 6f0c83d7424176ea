"""Decode image files to RGB as an image viewer shows them, with every conversion explicit.

EXIF orientation is applied and an embedded ICC profile is converted to sRGB. Grayscale and bilevel values are
repeated over three channels; transparent pixels are composited over white; palettes are expanded; CMYK, YCbCr, LAB
and HSV without a profile are converted by Pillow; 16-bit grayscale is scaled by 1/257 and rounded; of 16-bit colour
Pillow keeps the high byte; of an animation the first frame is used. HEIC is read if ``pillow-heif`` is installed.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import PIL.features
import PIL.Image
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from mafs_bench.datasets.colour import to_rgb
from mafs_bench.errors import DataError
from mafs_bench.memory import naming_memory
from mafs_bench.types import MAX_PIXELS, Image

_BROKEN_FILE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)

_ORIENTATION = 0x0112
"""The EXIF tag; values 2 to 8 say how the stored pixels must be rotated or flipped."""

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_FIRST_SIDEWAYS = 5
"""From this orientation on, width and height are swapped."""

_PNG_EXIF = {"exif", "Raw profile type exif"}
"""Where Pillow keeps the EXIF data of a PNG."""

_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image file (an ``ImageSource``); an image of more than ``max_pixels`` pixels is refused."""

    path: str
    max_pixels: int = MAX_PIXELS

    @property
    def name(self) -> str:
        """The file's path."""
        return self.path

    def load(self) -> Image:
        """Decode the file. Raises ``DataError``."""
        return decode(self.path, max_pixels=self.max_pixels)


def decode(file: str | Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode one file (a path, or an open file called ``name`` in messages) to uint8 RGB (H, W, 3).

    Raises ``DataError`` with the file name if the file is missing, truncated or not an image, if its pixels have no
    defined range (32-bit integers, floats), or if it has more than ``max_pixels`` pixels.
    """
    path = str(file) if name is None else name
    _raise_pillows_limit(max_pixels)
    with naming_memory(path), _one_line(path, max_pixels), _open(file, path) as image:
        _refuse_huge(image, path, max_pixels)
        return to_rgb(_upright(image), path)


def image_size(path: str | Path) -> tuple[int, int] | None:
    """Displayed width and height in pixels, from the file header; None if they cannot be read."""
    try:
        with _one_line(str(path), MAX_PIXELS), _open(path, str(path)) as image:
            width, height = _stored_size(image)
            # Pillow would decode a PNG to look for EXIF data after its pixels.
            known = image.format != "PNG" or not _PNG_EXIF.isdisjoint(image.info)
            sideways = known and _orientation(image) >= _FIRST_SIDEWAYS
            return (height, width) if sideways else (width, height)
    except DataError:
        return None


def decoder_versions() -> dict[str, str]:
    """Versions of Pillow and of its decoding libraries, as Pillow reports them.

    Pixels of lossy formats may depend on them. ``pillow-heif`` is included if it is installed.
    """
    found = {"pillow": PIL.__version__}
    for name, feature in _LIBRARIES.items():
        version = PIL.features.version(feature)
        if version is not None:
            found[name] = version
    heif = _heif_version()
    return found if heif is None else found | {"pillow-heif": heif}


_LIBRARIES = {
    "libjpeg": "jpg",
    "libjpeg-turbo": "libjpeg_turbo",
    "libwebp": "webp",
    "libavif": "avif",
    "openjpeg": "jpg_2000",
    "libtiff": "libtiff",
    "zlib": "zlib",
    "littlecms": "littlecms2",
}


def _heif_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("pillow-heif")
    except metadata.PackageNotFoundError:
        return None


@contextmanager
def _one_line(path: str, max_pixels: int) -> Iterator[None]:
    """Convert Pillow's exceptions to ``DataError``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except PIL.UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image that can be read") from error
    except PIL.Image.DecompressionBombError as error:
        raise DataError(_too_large(path, "it", max_pixels)) from error
    except _BROKEN_FILE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be decoded: {reason}") from error


def _open(file: str | Path | BinaryIO, path: str) -> PIL.Image.Image:
    try:
        return PIL.Image.open(file)
    except PIL.UnidentifiedImageError:
        if not _is_heif(file):
            raise
    _add_heif(path)
    return PIL.Image.open(file)


def _is_heif(file: str | Path | BinaryIO) -> bool:
    """Whether the file starts with a HEIC signature."""
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:
            head = opened.read(12)
    else:
        file.seek(0)
        head = file.read(12)
        file.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _add_heif(path: str) -> None:
    """Register HEIC with Pillow. Raises ``DataError`` if ``pillow-heif`` is not installed."""
    try:
        import pillow_heif
    except ImportError as error:
        raise DataError(
            f"{path}: HEIC needs the package pillow-heif: pip install 'mafs-bench[heif]'"
        ) from error
    pillow_heif.register_heif_opener()


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """Decode, and apply the EXIF orientation."""
    image.load()  # for a TIFF, Pillow applies the orientation here and drops the tag
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: PIL.Image.Image) -> int:
    """The EXIF orientation; 1 if there is none or the EXIF data are broken."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF data of any kind: use the pixels as they are stored
        return 1
    return found if isinstance(found, int) else 1


def _stored_size(image: PIL.Image.Image) -> tuple[int, int]:
    """Width and height before the orientation is applied; newer versions of Pillow swap those of a TIFF on opening."""
    if isinstance(image, TiffImageFile):
        return image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]
    return image.size


def _raise_pillows_limit(max_pixels: int) -> None:
    """Raise Pillow's own pixel limit, which is global to the process, to what the user allows."""
    if max_pixels > MAX_PIXELS and PIL.Image.MAX_IMAGE_PIXELS is not None:
        PIL.Image.MAX_IMAGE_PIXELS = max(PIL.Image.MAX_IMAGE_PIXELS, max_pixels)


def _refuse_huge(image: PIL.Image.Image, path: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(_too_large(path, f"{width}x{height}", max_pixels))


def _too_large(path: str, size: str, max_pixels: int) -> str:
    return f"{path}: {size} is more than {max_pixels:,} pixels (--max-pixels N allows N)"
