"""JPEG compression in integers: the lossy steps of the standard (ITU-T T.81), without the lossless coding.

Colour at half resolution both ways, the tables of Annex K scaled by quality as libjpeg scales them, averaging on the
way down and a triangle filter on the way up. The cosine transform acts on whole rows of blocks at once, first down
the columns, then, with every block transposed, along the rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import no_draws
from mafs_bench.corruptions.exact.filters import Plane, compiled
from mafs_bench.corruptions.exact.grain import grain_of_unit
from mafs_bench.corruptions.exact.tables import round_safely
from mafs_bench.types import Image, Params

_COS = tuple(round_safely(np.cos(np.arange(8) * np.pi / 16) / 2 * (1 << 13)).tolist())
"""cos(k pi / 16) / 2 in 2**-13: with them the transform is orthonormal."""

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *(99,) * 32,
)  # fmt: skip


def _apply_jpeg(image: Image, draws: None, params: Params) -> Image:
    height, width, _ = image.shape
    rows, columns = -height % 16, -width % 16
    padded = np.pad(image, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else image
    luma = np.empty(padded.shape[:2], dtype=np.int32)
    chroma = np.empty((2, padded.shape[0] // 2, padded.shape[1] // 2), dtype=np.int32)
    _to_ycc(padded, luma, chroma)
    quality = int(params["quality"])
    luma = _lossy(luma, *_steps(quality, _LUMINANCE, padded.shape[1]))
    steps, inverses = _steps(quality, _CHROMINANCE, padded.shape[1] // 2)
    for plane in chroma:
        plane[:] = _lossy(plane, steps, inverses)
    out = np.empty_like(image)
    _to_rgb(luma, chroma, np.empty((2, padded.shape[1]), dtype=np.int32), out)
    return out


@lru_cache(maxsize=32)
def _divisors(quality: int, table: tuple[int, ...]) -> Plane:
    """Eight times the quantiser of each frequency, int32 (8, 8), as (horizontal, vertical)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = np.clip((np.array(table, dtype=np.int64) * percent + 50) // 100, 1, 255)
    return np.ascontiguousarray((8 * steps).astype(np.int32).reshape(8, 8).T)


@lru_cache(maxsize=32)
def _steps(quality: int, table: tuple[int, ...], width: int) -> tuple[Plane, npt.NDArray[np.uint64]]:
    """The divisors of eight rows of ``width`` coefficients, int32 (8, width), and 2**32 over them, rounded up."""
    steps = np.tile(_divisors(quality, table), (1, width // 8))
    return steps, (1 << 32) // steps.astype(np.uint64) + np.uint64(1)


def _lossy(plane: Plane, steps: Plane, inverses: npt.NDArray[np.uint64]) -> Plane:
    """Transform, quantise and transform back a plane of whole blocks, centred on zero, int32."""
    one, other = np.empty_like(plane), np.empty_like(plane)
    _forward(plane, 9, one)
    _turn_blocks(one, other)
    _forward(other, 14, one)
    _quantise(one, steps, inverses)
    _inverse(one, 11, other)
    _turn_blocks(other, one)
    _inverse(one, 18, other)
    return other


@compiled
def _turn_blocks(source, out):  # type: ignore[no-untyped-def]
    """Transpose every block of 8 x 8."""
    for top in range(0, source.shape[0], 8):
        for left in range(0, source.shape[1], 8):
            a, b = source[top : top + 8, left : left + 8], out[top : top + 8, left : left + 8]
            for y in range(8):
                for x in range(8):
                    b[x, y] = a[y, x]


@compiled
def _to_ycc(image, luma, chroma):  # type: ignore[no-untyped-def]
    """Rec. 601 in 2**-16 (full range), luma centred on zero; chroma averaged over 2 x 2, biases alternating."""
    half = np.int32(1 << 15)
    cb, cr = np.zeros(luma.shape[1], dtype=np.int32), np.zeros(luma.shape[1], dtype=np.int32)
    for y in range(luma.shape[0]):
        line, pixels = luma[y], image[y].reshape(-1)
        for x in range(line.size):
            i = np.uintp(3) * np.uintp(x)  # unsigned: no test for indices below zero
            red, green = np.int32(pixels[i]), np.int32(pixels[i + np.uintp(1)])
            blue = np.int32(pixels[i + np.uintp(2)])
            line[x] = ((19595 * red + 38470 * green + 7471 * blue + half) >> 16) - 128
            cb[x] += (-11059 * red - 21709 * green + 32768 * blue + half - 1) >> 16
            cr[x] += (32768 * red - 27439 * green - 5329 * blue + half - 1) >> 16
        if y % 2 == 1:
            first, second = chroma[0, y // 2], chroma[1, y // 2]
            for x in range(first.size):
                first[x] = (cb[2 * x] + cb[2 * x + 1] + 1 + x % 2) >> 2
                second[x] = (cr[2 * x] + cr[2 * x + 1] + 1 + x % 2) >> 2
            cb[:] = 0
            cr[:] = 0


@compiled
def _forward(source, shift, out):  # type: ignore[no-untyped-def]
    """The cosine transform of every eight rows, down the columns."""
    half = np.int32(1) << (shift - 1)
    c1, c2, c3, c4, c5, c6, c7 = _COS[1], _COS[2], _COS[3], _COS[4], _COS[5], _COS[6], _COS[7]
    for top in range(0, source.shape[0], 8):
        a, b = source[top : top + 8], out[top : top + 8]
        for x in range(source.shape[1]):
            s0, s1, s2, s3 = a[0, x] + a[7, x], a[1, x] + a[6, x], a[2, x] + a[5, x], a[3, x] + a[4, x]
            d0, d1, d2, d3 = a[0, x] - a[7, x], a[1, x] - a[6, x], a[2, x] - a[5, x], a[3, x] - a[4, x]
            b[0, x] = ((s0 + s1 + s2 + s3) * c4 + half) >> shift
            b[4, x] = ((s0 - s1 - s2 + s3) * c4 + half) >> shift
            b[2, x] = ((s0 - s3) * c2 + (s1 - s2) * c6 + half) >> shift
            b[6, x] = ((s0 - s3) * c6 - (s1 - s2) * c2 + half) >> shift
            b[1, x] = (d0 * c1 + d1 * c3 + d2 * c5 + d3 * c7 + half) >> shift
            b[3, x] = (d0 * c3 - d1 * c7 - d2 * c1 - d3 * c5 + half) >> shift
            b[5, x] = (d0 * c5 - d1 * c1 + d2 * c7 + d3 * c3 + half) >> shift
            b[7, x] = (d0 * c7 - d1 * c5 + d2 * c3 - d3 * c1 + half) >> shift


@compiled
def _inverse(source, shift, out):  # type: ignore[no-untyped-def]
    """The transpose of ``_forward``."""
    half = np.int32(1) << (shift - 1)
    c1, c2, c3, c4, c5, c6, c7 = _COS[1], _COS[2], _COS[3], _COS[4], _COS[5], _COS[6], _COS[7]
    for top in range(0, source.shape[0], 8):
        a, b = source[top : top + 8], out[top : top + 8]
        for x in range(source.shape[1]):
            p, q = (a[0, x] + a[4, x]) * c4, (a[0, x] - a[4, x]) * c4
            r, s = a[2, x] * c2 + a[6, x] * c6, a[2, x] * c6 - a[6, x] * c2
            e0, e1, e2, e3 = p + r + half, q + s + half, q - s + half, p - r + half
            d0 = a[1, x] * c1 + a[3, x] * c3 + a[5, x] * c5 + a[7, x] * c7
            d1 = a[1, x] * c3 - a[3, x] * c7 - a[5, x] * c1 - a[7, x] * c5
            d2 = a[1, x] * c5 - a[3, x] * c1 + a[5, x] * c7 + a[7, x] * c3
            d3 = a[1, x] * c7 - a[3, x] * c5 + a[5, x] * c3 - a[7, x] * c1
            b[0, x], b[7, x] = (e0 + d0) >> shift, (e0 - d0) >> shift
            b[1, x], b[6, x] = (e1 + d1) >> shift, (e1 - d1) >> shift
            b[2, x], b[5, x] = (e2 + d2) >> shift, (e2 - d2) >> shift
            b[3, x], b[4, x] = (e3 + d3) >> shift, (e3 - d3) >> shift


@compiled
def _quantise(coefficients, divisors, inverses):  # type: ignore[no-untyped-def]
    """Round coefficients, in eighths, to whole steps of the quantiser, in place; eight rows of steps repeat.

    inverses: 2**32 / divisor, rounded up, which gives the exact quotient as long as coefficient * divisor < 2**32.
    """
    for y in range(coefficients.shape[0]):
        line, steps, parts = coefficients[y], divisors[y % 8], inverses[y % 8]
        for x in range(line.size):
            size = np.uint64(np.uint32(abs(line[x]) + (steps[x] >> 1)))
            whole = np.int32((size * parts[x]) >> np.uint64(32)) * steps[x]
            line[x] = whole if line[x] >= 0 else -whole


@compiled
def _to_rgb(luma, chroma, enlarged, out):  # type: ignore[no-untyped-def]
    """Enlarge chroma by a triangle filter (3/4 near, 1/4 far, each way) and return to RGB; ``enlarged`` is space."""
    rows, columns = chroma.shape[1], chroma.shape[2]
    line = np.empty(columns, dtype=np.int32)
    for y in range(out.shape[0]):
        near = y // 2
        far = min(max(near + 2 * (y % 2) - 1, 0), rows - 1)
        for c in range(2):
            a, b, wide = chroma[c, near], chroma[c, far], enlarged[c]
            for x in range(columns):
                line[x] = 3 * a[x] + b[x]
            wide[0], wide[2 * columns - 1] = (4 * line[0] + 8) >> 4, (4 * line[columns - 1] + 7) >> 4
            for x in range(1, columns):
                wide[2 * x - 1] = (3 * line[x - 1] + line[x] + 7) >> 4
                wide[2 * x] = (3 * line[x] + line[x - 1] + 8) >> 4
        blue, red, level = enlarged[0], enlarged[1], luma[y]
        pixels = out[y].reshape(-1)
        for x in range(out.shape[1]):
            i = np.uintp(3) * np.uintp(x)
            grey = (level[x] << 16) + 8421376  # 128 and a half
            pixels[i] = min(max((grey + 91881 * red[x]) >> 16, 0), 255)
            pixels[i + np.uintp(1)] = min(max((grey - 22554 * blue[x] - 46802 * red[x]) >> 16, 0), 255)
            pixels[i + np.uintp(2)] = min(max((grey + 116130 * blue[x]) >> 16, 0), 255)


jpeg_compression = grain_of_unit(ImageOperator(no_draws, _apply_jpeg, {"quality": (1, 100)}))
