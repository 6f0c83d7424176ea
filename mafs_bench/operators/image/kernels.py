"""The compiled loops: what neither numpy nor OpenCV does in one pass. Compiled once, then cached on disk."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from mafs_bench.types import FloatArray, Image

_Ints = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def invert_cdf(
    image: Image, uniforms: npt.NDArray[np.uint32], cdf: npt.NDArray[np.uint32], start: Image, grey: Image
) -> Any:
    """Replace each value v by ``grey[k]``, k the first with ``uniforms < cdf[v, k]``; images are flat.

    ``start[v, u >> 23]`` is where the search for 31-bit u begins.
    """
    out = np.empty_like(image)
    for i in range(image.size):
        v, u = image[i], uniforms[i]
        k = start[v, u >> np.uint32(23)]
        while u >= cdf[v, k]:
            k += np.uint8(1)
        out[i] = grey[k]
    return out


@numba.njit(cache=True, nogil=True)
def displace(image: Image, moves: npt.NDArray[np.int8], reach: int, rounds: int) -> None:
    """Overwrite each pixel, bottom right first, by its neighbour at ``moves[round, y, x] = (dx, dy)``."""
    height, width, _ = image.shape
    for r in range(rounds):
        for y in range(height - reach, reach, -1):
            for x in range(width - reach, reach, -1):
                from_x, from_y = x + moves[r, y, x, 0], y + moves[r, y, x, 1]
                image[y, x, 0] = image[from_y, from_x, 0]
                image[y, x, 1] = image[from_y, from_x, 1]
                image[y, x, 2] = image[from_y, from_x, 2]


@numba.njit(cache=True, nogil=True, fastmath=True)
def weighted_shifts(
    source: FloatArray, rows: _Ints, columns: _Ints, weights: FloatArray, out: FloatArray
) -> None:
    """``out[y, x] = sum_i weights[i] * source[y + rows[i], x + columns[i]]``, source padded as needed."""
    height, width = out.shape
    for y in range(height):
        line = out[y]
        line[:] = 0
        for i in range(weights.size):
            weight = weights[i]
            shifted = source[y + rows[i], columns[i] : columns[i] + width]
            for x in range(width):
                line[x] += weight * shifted[x]


@numba.njit(cache=True, nogil=True, fastmath=True)
def sum_of_zooms(
    image: FloatArray, rows: _Ints, row_parts: FloatArray, columns: _Ints, column_parts: FloatArray
) -> Any:
    """Add bilinear samples of a flat (H, W*3) picture, over several separable grids.

    ``rows``, ``row_parts`` (zooms, H) and ``columns``, ``column_parts`` (zooms, W): the upper left neighbour
    and the share of the next one.
    """
    height, width = rows.shape[1], columns.shape[1]
    out = np.zeros((height, 3 * width), dtype=np.float32)
    line = np.empty(image.shape[1] + 3, dtype=np.float32)
    n = image.shape[1]
    for y in range(height):
        total = out[y]
        for k in range(rows.shape[0]):
            upper, part = image[rows[k, y]], row_parts[k, y]
            lower = image[min(rows[k, y] + 1, image.shape[0] - 1)]
            for x in range(n):
                line[x] = upper[x] + part * (lower[x] - upper[x])
            line[n:] = line[n - 3 : n]
            for x in range(width):
                left, share = 3 * columns[k, x], column_parts[k, x]
                for c in range(3):
                    total[3 * x + c] += line[left + c] + share * (line[left + c + 3] - line[left + c])
    return out


@numba.njit(cache=True, nogil=True)
def sample_bilinear(image: Image, dx: FloatArray, dy: FloatArray) -> Any:
    """Take the picture at (x + dx, y + dy), mirrored beyond its edges; fractions are cut off."""
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            fx, fy = x + dx[y, x], y + dy[y, x]
            left, top = int(np.floor(fx)), int(np.floor(fy))
            px, py = np.float32(fx - left), np.float32(fy - top)
            x0, x1 = _mirror(left, width), _mirror(left + 1, width)
            y0, y1 = _mirror(top, height), _mirror(top + 1, height)
            for c in range(3):
                upper = image[y0, x0, c] + px * (np.float32(image[y0, x1, c]) - np.float32(image[y0, x0, c]))
                lower = image[y1, x0, c] + px * (np.float32(image[y1, x1, c]) - np.float32(image[y1, x0, c]))
                out[y, x, c] = np.uint8(upper + py * (lower - upper))
    return out


@numba.njit(cache=True, nogil=True)
def _mirror(i: int, n: int) -> int:
    period = 2 * n
    i %= period
    return i if i < n else period - 1 - i
