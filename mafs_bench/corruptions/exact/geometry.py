"""Geometry: rotation, perspective, flips, quarter turns.

Where the image ends there is mid-grey: mirroring would add objects and so change what captions count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import no_draws, size_of
from mafs_bench.corruptions.exact.draws import below, one_below, scale
from mafs_bench.corruptions.exact.filters import Plane, compiled, gather
from mafs_bench.corruptions.exact.frame import resample
from mafs_bench.corruptions.exact.tables import TRIG_BITS, cosine, fixed, sine
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_Longs = npt.NDArray[np.int64]
_BITS = 8
GREY = 127
"""The grey level of what is not there."""


def _sample_turn(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> int:
    """Draw the sense of the turn: 1 counter-clockwise, -1 clockwise."""
    return 1 - 2 * one_below(rng, 2)


def _apply_rotation(image: Image, sense: int, params: Params) -> Image:
    height, width = size_of(image)
    step = sense * round(4 * params["degrees"])
    sin, cos = sine(step), cosine(step)
    # Twice the distance to the centre is a whole number; the last shift takes the factor two out again.
    y = 2 * np.arange(height, dtype=np.int32)[:, None] - (height - 1)
    x = 2 * np.arange(width, dtype=np.int32) - (width - 1)
    ys = ((y * cos + x * sin) >> (TRIG_BITS + 1 - _BITS)) + ((height - 1) << (_BITS - 1))
    xs = ((x * cos - y * sin) >> (TRIG_BITS + 1 - _BITS)) + ((width - 1) << (_BITS - 1))
    return gather(image, ys, xs, _BITS, GREY)


def _sample_corners(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Longs:
    """Draw how far each corner moves inwards, right and down, from .3 to 1 of half the frame in 1/4096: (4, 2)."""
    return below(rng, 4096 - 1229, 8).reshape(4, 2) + 1229


def _apply_perspective(image: Image, inwards: _Longs, params: Params) -> Image:
    """Perspective view: the four corners move inside the frame by up to ``strength`` of half a side."""
    height, width = size_of(image)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.int64)
    strength = fixed(params["strength"], 12)
    # Positions as shares of the sides in 2**-14; strength / 2 * inwards is in 2**-25.
    moved = (corners << 14) + (1 - 2 * corners) * ((inwards * strength) >> 11)
    ys, xs = _unproject(moved, height, width)
    return gather(image, ys, xs, _BITS, GREY)


def _unproject(moved: _Longs, height: int, width: int) -> tuple[Plane, Plane]:
    """Source position of each output pixel, in 2**-8 pixels, for corners moved to ``moved`` (x, y)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = moved.tolist()
    # Heckbert's square-to-quad map, scaled by its denominator so that all coefficients stay whole numbers.
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    one = dx1 * dy2 - dx2 * dy1
    g, h = sx * dy2 - dx2 * sy, dx1 * sy - sx * dy1
    forward = [
        [(x1 - x0) * one + g * x1, (x3 - x0) * one + h * x3, x0 * one],
        [(y1 - y0) * one + g * y1, (y3 - y0) * one + h * y3, y0 * one],
        [g, h, one],
    ]
    inverse = _reduced(_adjugate(forward))
    y = (np.arange(height, dtype=np.int64) << 14) // max(height - 1, 1)
    x = (np.arange(width, dtype=np.int64) << 14) // max(width - 1, 1)
    rows, columns = np.empty((2, height, width), dtype=np.int32)
    _project(
        np.array(inverse, dtype=np.int64), y, x, (height - 1) << _BITS, (width - 1) << _BITS, rows, columns
    )
    return rows, columns


@compiled
def _quotient(a, b):  # type: ignore[no-untyped-def]
    """``a // b`` for b > 0: floats divide faster, and whole numbers correct what they round.

    Exact for quotients below 2**50, which float64 misses by at most one; larger ones stay as large.
    """
    whole = np.int64(np.float64(a) / np.float64(b))
    rest = a - whole * b
    if rest < 0:
        return whole - 1
    return whole + 1 if rest >= b else whole


@compiled
def _project(inverse, ys, xs, tallest, widest, rows, columns):  # type: ignore[no-untyped-def]
    """Source position of each output pixel; beyond the horizon it is far outside the image."""
    far = 1 << 24
    for i in range(ys.size):
        for j in range(xs.size):
            w = inverse[2, 0] * xs[j] + inverse[2, 1] * ys[i] + inverse[2, 2]
            if w <= 0:
                rows[i, j], columns[i, j] = -far, -far
                continue
            u = inverse[0, 0] * xs[j] + inverse[0, 1] * ys[i] + inverse[0, 2]
            v = inverse[1, 0] * xs[j] + inverse[1, 1] * ys[i] + inverse[1, 2]
            columns[i, j] = min(max(_quotient(u * widest, w), -far), far)
            rows[i, j] = min(max(_quotient(v * tallest, w), -far), far)


def _adjugate(m: list[list[int]]) -> list[list[int]]:
    (a, b, c), (d, e, f), (g, h, i) = m
    return [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]


def _reduced(matrix: list[list[int]]) -> list[list[int]]:
    """Divide Python integers by one power of two, so that products with positions fit 64 bits.

    The largest entries, the constants, keep 40 bits; the sign is set so that the denominator is positive inside.
    """
    sign = 1 if matrix[2][2] > 0 else -1
    shift = max(max(abs(value) for row in matrix for value in row).bit_length() - 40, 0)
    return [[(sign * value) >> shift for value in row] for row in matrix]


def _apply_horizontal_flip(image: Image, draws: None, params: Params) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def _apply_vertical_flip(image: Image, draws: None, params: Params) -> Image:
    return np.ascontiguousarray(image[::-1])


def _apply_rotate_90(image: Image, sense: int, params: Params) -> Image:
    """A quarter turn; an image that is not square is made small enough to fit, with grey beside it."""
    height, width = size_of(image)
    turned = np.ascontiguousarray(np.rot90(image, sense))
    if height == width:
        return turned
    shorter, longer = min(height, width), max(height, width)
    size = (scale(width, shorter, longer), scale(height, shorter, longer))
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    out = np.full_like(image, GREY)
    out[top : top + size[0], left : left + size[1]] = resample(turned, size, "bicubic")
    return out


rotation = ImageOperator(_sample_turn, _apply_rotation, {"degrees": (0.0, 180.0)})
perspective = ImageOperator(_sample_corners, _apply_perspective, {"strength": (0.0, 0.9)})
horizontal_flip = ImageOperator(no_draws, _apply_horizontal_flip, {"on": (True, True)})
vertical_flip = ImageOperator(no_draws, _apply_vertical_flip, {"on": (True, True)})
rotate_90 = ImageOperator(_sample_turn, _apply_rotate_90, {"on": (True, True)})
