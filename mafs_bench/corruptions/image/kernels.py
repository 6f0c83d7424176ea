"""The compiled loops: what neither numpy nor OpenCV does in one pass. Compiled once, then cached on disk.

They fill arrays that the caller allocates, and index with unsigned integers: both shorten the compilation.
Floating-point sums are taken in the order that is written, so that every machine gets the same bytes.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.compiled import prepare_cache
from mafs_bench.types import FloatArray, Image

_Unsigned = npt.NDArray[np.uint32]

prepare_cache()
_compiled = numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)
"""Nothing calls these from C: without that entry they compile in a fifth less time."""


@_compiled
def invert_cdf(
    image: Image, uniforms: _Unsigned, cdf: _Unsigned, start: Image, grey: Image, out: Image
) -> None:
    """Replace each value v by ``grey[k]``, k the first with ``uniforms < cdf[v, k]``; images are flat.

    ``start[v, u >> 23]`` is where the search for 31-bit u begins.
    """
    for i in range(image.size):
        v, u = image[i], uniforms[i]
        k = start[v, u >> np.uint32(23)]
        while u >= cdf[v, k]:
            k += np.uint8(1)
        out[i] = grey[k]


@_compiled
def displace(image: Image, bits: npt.NDArray[np.uint16], reach: int, rounds: int) -> None:
    """Overwrite each pixel of (H, W, 3), bottom right first, by a neighbour, in place.

    ``bits[round, y, x]``, 16 bits each for x and y, are mapped to moves from ``-reach`` to ``reach - 1``.
    """
    for r in range(rounds):
        for y in range(image.shape[0] - reach, reach, -1):
            for x in range(image.shape[1] - reach, reach, -1):
                from_x = x - reach + ((2 * reach * bits[r, y, x, 0]) >> 16)
                from_y = y - reach + ((2 * reach * bits[r, y, x, 1]) >> 16)
                for c in range(3):
                    image[y, x, c] = image[from_y, from_x, c]


@_compiled
def weighted_shifts(
    source: FloatArray, rows: _Unsigned, columns: _Unsigned, weights: FloatArray, out: FloatArray
) -> None:
    """Fill ``out[y, x] = sum_i weights[i] * source[y + rows[i], x + columns[i]]``, source padded as needed."""
    for y in range(out.shape[0]):
        line = out[y]
        line[:] = 0
        for i in range(weights.size):
            shifted = source[y + rows[i], columns[i] : columns[i] + line.size]
            for x in range(line.size):
                line[x] += weights[i] * shifted[x]


@_compiled
def add_zooms(
    image: FloatArray, rows: _Unsigned, row_parts: FloatArray, columns: _Unsigned, column_parts: FloatArray,
    line: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Add to ``out`` (H, W, 3) bilinear samples of a flat (H + 1, (W + 1) * 3) image over separable grids.

    ``rows``, ``row_parts`` (zooms, H): the neighbour above and the share of the one below; ``columns`` (zooms,
    W) likewise, counted in values (pixel * 3). ``line`` is space for one row of the image.
    """
    for y in range(out.shape[0]):
        for k in range(rows.shape[0]):
            top, part = rows[k, y], row_parts[k, y]
            for x in range(line.size):
                line[x] = image[top, x] + part * (image[top + 1, x] - image[top, x])
            for x in range(out.shape[1]):
                left, share = columns[k, x], column_parts[k, x]
                for c in range(3):
                    out[y, x, c] += line[left + c] + share * (line[left + c + 3] - line[left + c])


@_compiled
def sample_bilinear(image: Image, dx: FloatArray, dy: FloatArray, margin: int, out: Image) -> None:
    """Fill ``out`` with an image, given with a margin all around, at (x + dx, y + dy); fractions are cut off."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            fx, fy = x + margin + dx[y, x], y + margin + dy[y, x]
            left, top = np.uint32(fx), np.uint32(fy)
            px, py = np.float32(fx - left), np.float32(fy - top)
            for c in range(3):
                a, b = np.float32(image[top, left, c]), np.float32(image[top, left + 1, c])
                upper = a + px * (b - a)
                a, b = np.float32(image[top + 1, left, c]), np.float32(image[top + 1, left + 1, c])
                out[y, x, c] = np.uint8(upper + py * (a + px * (b - a) - upper))


def unsigned(values: Any) -> _Unsigned:
    """Whole numbers as the kernels index with them."""
    return np.ascontiguousarray(values, dtype=np.uint32)
