"""ICC profiles written byte by byte (ICC.1:2001-04), and their colours in sRGB computed without a colour library."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

# Primaries adapted to D50 (columns: red, green, blue), as the profiles themselves store them.
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries: npt.NDArray[np.float64], gamma: float) -> bytes:
    """A display profile of three primaries and one gamma."""
    tags = {b"wtpt": _xyz(_D50)}
    for name, column in zip((b"r", b"g", b"b"), primaries.T, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": _gamma(gamma)}
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    """A display profile for grey values."""
    return _profile(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": _gamma(gamma)})


def in_srgb(
    pixels: npt.NDArray[np.uint8], primaries: npt.NDArray[np.float64], gamma: float
) -> npt.NDArray[np.uint8]:
    """Pixels (..., 3) of such a profile as sRGB (IEC 61966-2-1)."""
    light = (pixels / 255) ** gamma @ (np.linalg.inv(SRGB) @ primaries).T
    return np.rint(255 * _srgb_curve(np.clip(light, 0, 1))).astype(np.uint8)


def grey_in_srgb(values: npt.NDArray[np.uint8], gamma: float) -> npt.NDArray[np.uint8]:
    """Grey values of such a profile as sRGB."""
    return np.rint(255 * _srgb_curve((values / 255) ** gamma)).astype(np.uint8)


def _srgb_curve(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _description("made for a test"), b"cprt": b"text\0\0\0\0none\0", **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += struct.pack(">4sII", name, offset + len(data), len(content))
        data += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sI4s4s8sI12s4s44s",
        offset + len(data), b"\0\0\0\0", 0x02200000, b"mntr", space, b"XYZ ", b"\x07\xea" + b"\0\1" * 2 + b"\0" * 6,
        b"acsp", b"\0" * 4, 0, b"\0" * 4, b"\0" * 4, b"\0" * 8, 0, _numbers(_D50), b"\0" * 4, b"\0" * 44,
    )  # fmt: skip
    return header + table + data


def _numbers(values: npt.ArrayLike) -> bytes:
    return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in np.asarray(values))


def _xyz(values: npt.ArrayLike) -> bytes:
    return b"XYZ \0\0\0\0" + _numbers(values)


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _description(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(raw)) + raw + b"\0" * 78
