"""Resampling in integer arithmetic, and the frame in which a suite is defined.

Weights are rational numbers in 1/2**16 worked out by integer division, then scaled so that they sum to exactly
2**14; sums of pixels are 32-bit integers. The result is one and the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.compiled import prepare_cache
from mafs_bench.corruptions.exact.draws import scale
from mafs_bench.corruptions.exact.tables import fixed
from mafs_bench.types import Box, Image

WEIGHT_BITS = 14
_FRACTION_BITS = 6
"""Kept between the two passes: 255 * 2**6 with the overshoot of a bicubic kernel still fits 16 bits."""
_ONE = 1 << 16

_Longs = npt.NDArray[np.int64]
Kernel = Callable[[_Longs], _Longs]
"""Weights in 1/2**16 at distances in 1/2**16, int64 to int64."""


def bicubic(distance: _Longs) -> _Longs:
    """Keys' cubic convolution with a = -1/2, support 2."""
    x = np.abs(distance)
    x2 = (x * x) >> 16
    x3 = (x2 * x) >> 16
    near = (3 * x3 - 5 * x2 + 2 * _ONE) >> 1
    far = (-x3 + 5 * x2 - 8 * x + 4 * _ONE) >> 1
    return np.where(x < _ONE, near, np.where(x < 2 * _ONE, far, 0))


def bilinear(distance: _Longs) -> _Longs:
    """Triangle, support 1."""
    return np.maximum(_ONE - np.abs(distance), 0)


def box(distance: _Longs) -> _Longs:
    """1 for pixels whose centre is in the output pixel, support 1/2 (counted as 1)."""
    return ((distance > -(_ONE >> 1)) & (distance <= (_ONE >> 1))).astype(np.int64)


def lanczos(distance: _Longs) -> _Longs:
    """Windowed sinc with three lobes, from a table of 1/64 steps, support 3."""
    table = _lanczos_table()
    x = np.minimum(np.abs(distance), 3 * _ONE)
    step, part = x >> 10, x & 1023
    here, there = table[step], table[np.minimum(step + 1, table.size - 1)]
    return here + (((there - here) * part) >> 10)


@lru_cache(maxsize=1)
def _lanczos_table() -> _Longs:
    x = np.arange(3 * 64 + 1) / 64
    return np.rint(np.sinc(x) * np.sinc(x / 3) * _ONE).astype(np.int64)


KERNELS: dict[str, tuple[Kernel, int]] = {
    "box": (box, 1),
    "bilinear": (bilinear, 1),
    "bicubic": (bicubic, 2),
    "lanczos": (lanczos, 3),
}
"""Name to (kernel, support in pixels)."""


@lru_cache(maxsize=256)
def taps(source: int, target: int, kernel: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """First input and weights of each output when ``source`` pixels become ``target``, antialiased when shrinking.

    Returns int32 (target,) and int32 (target, n); the weights of a row sum to 2**14. Inputs beyond the edge are left
    out, as Pillow does.
    """
    weigh, support = KERNELS[kernel]
    stretch = max(source, target)

    def weights_of(inputs: _Longs, output: _Longs) -> _Longs:
        # The centre of output i is at (2 i + 1) * source / (2 * target); distances are in the larger pixel.
        distance = ((2 * inputs + 1) * target - (2 * output + 1) * source) * _ONE // (2 * stretch)
        return np.where((inputs >= 0) & (inputs < source), weigh(distance), 0)

    reach = -(-support * stretch // target) + 1
    return _trimmed(weights_of, source, target, reach)


def _trimmed(
    weights_of: Callable[[_Longs, _Longs], _Longs], source: int, target: int, reach: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """First inputs and normalised weights, without columns that are zero in every row."""
    output = np.arange(target, dtype=np.int64)[:, None]
    first = ((2 * output + 1) * source) // (2 * target) - reach
    used = weights_of(first + np.arange(2 * reach + 1), output) != 0
    begin = first[:, 0] + np.argmax(used, axis=1)
    end = first[:, 0] + used.shape[1] - np.argmax(used[:, ::-1], axis=1)
    length = int((end - begin).max())
    begin = np.minimum(begin, source - length)
    weights = weights_of(begin[:, None] + np.arange(length), output)
    return begin.astype(np.int32), _normalise(weights).astype(np.int32)


@lru_cache(maxsize=256)
def area_taps(source: int, target: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """As ``taps``, for the exact average over the area of each of ``target <= source`` output pixels."""

    def weights_of(inputs: _Longs, output: _Longs) -> _Longs:
        covered = np.minimum((output + 1) * source, (inputs + 1) * target)
        covered = np.maximum(covered - np.maximum(output * source, inputs * target), 0)
        return np.where((inputs >= 0) & (inputs < source), covered, 0)

    return _trimmed(weights_of, source, target, source // target + 2)


def _normalise(weights: _Longs) -> _Longs:
    """Scale rows to a sum of exactly 2**14; what rounding leaves goes to the largest weight."""
    total = weights.sum(axis=1, keepdims=True)
    scaled = (2 * weights * (1 << WEIGHT_BITS) + total) // (2 * total)
    largest = np.argmax(scaled, axis=1)
    scaled[np.arange(len(scaled)), largest] += (1 << WEIGHT_BITS) - scaled.sum(axis=1)
    return scaled


prepare_cache()


@numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _resample_columns(source, start, weights, out):  # type: ignore[no-untyped-def]
    """(H, W * 3) uint8 to (H, w * 3) int16 with 6 bits of fraction, along the rows."""
    line = np.empty(out.shape[1], dtype=np.int32)
    for y in range(source.shape[0]):
        for x in range(start.size):
            red, green, blue = np.int32(0), np.int32(0), np.int32(0)
            base = 3 * start[x]
            for k in range(weights.shape[1]):
                weight = weights[x, k]
                red += weight * np.int32(source[y, base + 3 * k])
                green += weight * np.int32(source[y, base + 3 * k + 1])
                blue += weight * np.int32(source[y, base + 3 * k + 2])
            line[3 * x] = red
            line[3 * x + 1] = green
            line[3 * x + 2] = blue
        for x in range(line.size):
            out[y, x] = (line[x] + 128) >> 8


@numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)
def _resample_rows(source, start, weights, out):  # type: ignore[no-untyped-def]
    """(H, n) int16 with 6 bits of fraction to (h, n) uint8, down the columns."""
    line = np.empty(source.shape[1], dtype=np.int32)
    for y in range(out.shape[0]):
        line[:] = 1 << 19
        for k in range(weights.shape[1]):
            weight = weights[y, k]
            if weight != 0:
                row = source[start[y] + k]
                for x in range(line.size):
                    line[x] += weight * np.int32(row[x])
        for x in range(line.size):
            out[y, x] = min(max(line[x] >> 20, 0), 255)


def resample(image: Image, size: tuple[int, int], kernel: str) -> Image:
    """Resize uint8 (H, W, 3) to ``size`` (height, width) by a name of ``KERNELS`` or ``area``."""
    height, width, _ = image.shape
    choose = area_taps if kernel == "area" else lambda source, target: taps(source, target, kernel)
    flat = np.ascontiguousarray(image).reshape(height, width * 3)
    between = np.empty((height, size[1] * 3), dtype=np.int16)
    _resample_columns(flat, *choose(width, size[1]), between)
    out = np.empty((size[0], size[1] * 3), dtype=np.uint8)
    _resample_rows(between, *choose(height, size[0]), out)
    return out.reshape(*size, 3)


def repeat(image: Image, size: tuple[int, int]) -> Image:
    """Resize by nearest neighbour: each output pixel takes the input pixel under its centre."""
    rows, columns = (
        ((2 * np.arange(t) + 1) * s) // (2 * t) for s, t in zip(image.shape[:2], size, strict=True)
    )
    return image.take(columns, axis=1).take(rows, axis=0)


def blend(image: Image, other: Image, share: float) -> Image:
    """``(1 - share) * image + share * other``, rounded, ``other`` resized to ``image`` by bicubic."""
    size = (image.shape[0], image.shape[1])
    fitted = other if other.shape == image.shape else resample(other, size, "bicubic")
    part = fixed(share, 12)
    mixed = image.astype(np.int32) * ((1 << 12) - part) + fitted.astype(np.int32) * part
    return ((mixed + (1 << 11)) >> 12).astype(np.uint8)


def frame_size(size: tuple[int, int], frame: int) -> tuple[int, int]:
    """Height and width of an image of ``size`` once its shorter side is ``frame``."""
    height, width = size
    if height <= width:
        return frame, scale(width, frame, height)
    return scale(height, frame, width), frame


def to_frame(image: Image, frame: int | None) -> Image:
    """Resize an image so that its shorter side is ``frame`` pixels, by antialiased bicubic; None: as it is."""
    if frame is None or min(image.shape[:2]) == frame:
        return image
    return resample(image, frame_size((image.shape[0], image.shape[1]), frame), "bicubic")


def boxes_to_frame(boxes: tuple[Box, ...], size: tuple[int, int], frame: int | None) -> tuple[Box, ...]:
    """Boxes of an image of ``size`` in the pixels of its frame; each keeps at least one pixel."""
    if frame is None or min(size) == frame:
        return boxes
    (height, width), (rows, columns) = size, frame_size(size, frame)
    return tuple(
        (left, top, max(left + 1, right), max(top + 1, bottom))
        for left, top, right, bottom in (
            (
                scale(x0, columns, width),
                scale(y0, rows, height),
                scale(x1, columns, width),
                scale(y1, rows, height),
            )
            for x0, y0, x1, y1 in boxes
        )
    )
