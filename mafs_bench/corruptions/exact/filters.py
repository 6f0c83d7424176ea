"""Filters and remapping in 32-bit integers. Borders repeat the edge."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.compiled import prepare_cache
from mafs_bench.types import Image

Plane = npt.NDArray[np.int32]
prepare_cache()
compiled = numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)
"""Nothing calls these from C: without that entry they compile in a fifth less time."""

WEIGHT_BITS = 14
FRACTION_BITS = 6
"""What stays behind the point between the passes of a separable filter."""


@compiled
def _filter_rows(source, weights, channels, padded, line, out, shift, half):  # type: ignore[no-untyped-def]
    """Along the rows of (H, n), ``channels`` interleaved values per pixel; ``padded`` and ``line`` are space."""
    radius = weights.size // 2
    margin = radius * channels
    n = source.shape[1]
    for y in range(source.shape[0]):
        for x in range(n):
            padded[margin + x] = source[y, x]
        for x in range(margin):
            padded[x] = source[y, x % channels]
            padded[margin + n + x] = source[y, n - channels + x % channels]
        for x in range(n):
            line[x] = half
        for k in range(weights.size):
            weight = weights[k]
            moved = padded[k * channels : k * channels + n]
            for x in range(n):
                line[x] += weight * moved[x]
        for x in range(n):
            out[y, x] = line[x] >> shift


@compiled
def _filter_columns(source, weights, line, out, shift, half):  # type: ignore[no-untyped-def]
    """Down the columns of (H, n)."""
    radius = weights.size // 2
    last = source.shape[0] - 1
    for y in range(source.shape[0]):
        for x in range(line.size):
            line[x] = half
        for k in range(weights.size):
            weight = weights[k]
            row = source[min(max(y + k - radius, 0), last)]
            for x in range(line.size):
                line[x] += weight * np.int32(row[x])
        for x in range(line.size):
            out[y, x] = line[x] >> shift


def separable(source: npt.NDArray[np.integer], rows: Plane, columns: Plane, bits: int = 0) -> Plane:
    """Filter (H, W) or (H, W, 3) along its rows and columns with weights that sum to 2**14.

    source: integers of at most 10 bits. rows, columns: int32 weights (odd lengths) along x and along y. Returns int32
    of the same shape with ``bits`` (0 to 6) bits of fraction, the rest cut off.
    """
    height, width = source.shape[:2]
    channels = source.size // (height * width)
    n = width * channels
    flat = np.ascontiguousarray(source).reshape(height, n)
    between = np.empty((height, n), dtype=np.int32)
    padded = np.empty(n + 2 * (rows.size // 2) * channels, dtype=np.int32)
    line = np.empty(n, dtype=np.int32)
    shift = WEIGHT_BITS - FRACTION_BITS
    _filter_rows(flat, rows, channels, padded, line, between, shift, 1 << (shift - 1))
    out = np.empty((height, n), dtype=np.int32)
    _filter_columns(between, columns, line, out, WEIGHT_BITS + FRACTION_BITS - bits, 0)
    return out.reshape(source.shape)


@compiled
def _weighted_shifts(source, rows, columns, weights, line, out, shift):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(line.size):
            line[x] = 0
        for i in range(weights.size):
            weight = weights[i]
            row = source[y + rows[i], columns[i] : columns[i] + line.size]
            for x in range(line.size):
                line[x] += weight * row[x]
        for x in range(line.size):
            out[y, x] = line[x] >> shift


def shifted_sum(source: npt.NDArray[np.integer], dy: Plane, dx: Plane, weights: Plane) -> Plane:
    """Sum of copies of (H, W) or (H, W, 3), each moved by (dy, dx) pixels, with weights that sum to 2**14.

    Returns int32 of the same shape, fractions cut off.
    """
    height, width = source.shape[:2]
    channels = source.size // (height * width)
    top, bottom = max(int(dy.max()), 0), max(int(-dy.min()), 0)
    left, right = max(int(dx.max()), 0), max(int(-dx.min()), 0)
    margins = [(top, bottom), (left, right)] + [(0, 0)] * (source.ndim - 2)
    padded = np.pad(source, margins, mode="edge").astype(np.int32)
    out = np.empty((height, width * channels), dtype=np.int32)
    line = np.empty(width * channels, dtype=np.int32)
    _weighted_shifts(
        padded.reshape(padded.shape[0], -1), top - dy, (left - dx) * channels, weights, line, out, WEIGHT_BITS
    )
    return out.reshape(source.shape)


@compiled
def _gather(source, ys, xs, bits, fill, out):  # type: ignore[no-untyped-def]
    """Bilinear samples of (H, W, 3) at fixed-point positions; outside: ``fill``, or the edge if it is negative."""
    height, width = source.shape[0], source.shape[1]
    one = np.int32(1) << bits
    half = np.int32(1) << (2 * bits - 1)
    outside = np.int32(fill)
    flat = source.reshape(-1)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            top, left = ys[y, x] >> bits, xs[y, x] >> bits
            down, right = ys[y, x] & (one - 1), xs[y, x] & (one - 1)
            if top >= 0 and left >= 0 and top + 1 < height and left + 1 < width:
                # Unsigned: no test for indices below zero.
                here = (np.uintp(top) * np.uintp(width) + np.uintp(left)) * np.uintp(3)
                under = here + np.uintp(3 * width)
                for c in range(3):
                    k = np.uintp(c)
                    a, b = np.int32(flat[here + k]), np.int32(flat[here + k + np.uintp(3)])
                    upper = (a << bits) + (b - a) * right
                    a, b = np.int32(flat[under + k]), np.int32(flat[under + k + np.uintp(3)])
                    lower = (a << bits) + (b - a) * right
                    out[y, x, c] = ((upper << bits) + (lower - upper) * down + half) >> (2 * bits)
                continue
            y0, y1 = min(max(top, 0), height - 1), min(max(top + 1, 0), height - 1)
            x0, x1 = min(max(left, 0), width - 1), min(max(left + 1, 0), width - 1)
            above, below = fill < 0 or y0 == top, fill < 0 or y1 == top + 1
            before, after = fill < 0 or x0 == left, fill < 0 or x1 == left + 1
            for c in range(3):
                a = np.int32(source[y0, x0, c]) if above and before else outside
                b = np.int32(source[y0, x1, c]) if above and after else outside
                upper = (a << bits) + (b - a) * right
                a = np.int32(source[y1, x0, c]) if below and before else outside
                b = np.int32(source[y1, x1, c]) if below and after else outside
                lower = (a << bits) + (b - a) * right
                out[y, x, c] = ((upper << bits) + (lower - upper) * down + half) >> (2 * bits)


def gather(image: Image, ys: Plane, xs: Plane, bits: int, fill: int = -1) -> Image:
    """Sample uint8 (H, W, 3) bilinearly at (ys, xs), int32 (h, w) in units of 2**-bits pixels, rounded.

    Outside the image is the grey level ``fill``, or the edge if ``fill`` is negative.
    """
    out = np.empty((*ys.shape, 3), dtype=np.uint8)
    _gather(np.ascontiguousarray(image), ys, xs, bits, fill, out)
    return out


def clip(values: npt.NDArray[np.integer]) -> Image:
    """Clip to 0..255, as uint8."""
    return np.clip(values, 0, 255).astype(np.uint8)
