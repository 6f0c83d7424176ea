"""Blur: defocus, glass, motion, zoom, Gaussian (Hendrycks & Dietterich, arXiv 1903.12261), fractions cut off.

The defocus kernel sums to one (in the original release those of severities 4 and 5 sum to 1.013 and 1.011). Glass blur
is redefined: each round moves all pixels at once, where the original overwrites one pixel after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.draws import grid_size, one_below, pixels, spread_field, uint16
from mafs_bench.corruptions.exact.filters import Plane, clip, compiled, separable, shifted_sum
from mafs_bench.corruptions.exact.tables import TRIG_BITS, cosine, gaussian, normalised, sine
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_ZOOM_BITS = 8


def no_draws(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> None:
    """Draw nothing: the corruption is deterministic."""


def size_of(image: Image) -> _Size:
    """Height and width."""
    return image.shape[0], image.shape[1]


def _apply_gaussian(image: Image, draws: None, params: Params) -> Image:
    kernel = gaussian(pixels(params["sigma"], size_of(image)), 4.0)
    return separable(image, kernel, kernel).astype(np.uint8)


def _apply_defocus(image: Image, draws: None, params: Params) -> Image:
    """Soften the image by a small Gaussian, then average over a disk."""
    size = size_of(image)
    soft = _softening(pixels(params["softening"], size), params["radius"])
    softened = separable(image, soft, soft, bits=4)
    radius = max(1, round(pixels(params["radius"], size)))
    halves, count = _disk(radius)
    sums = _prefix_sums(softened, radius)
    out = np.empty((image.shape[0], image.shape[1] * 3), dtype=np.uint8)
    _average_disk(sums.reshape(sums.shape[0], -1), halves, count * 16, out)
    return out.reshape(image.shape)


def _softening(sigma: float, radius: float) -> Plane:
    """The 3 or 5 weights by which the release softens the rim of its disk."""
    reach = 1 if radius <= 8 else 2
    return normalised(np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2), 14)


@lru_cache(maxsize=64)
def _disk(radius: int) -> tuple[Plane, int]:
    """Half the width of each row of a disk, int32 (2 * radius + 1,), and its number of pixels."""
    rows = np.arange(-radius, radius + 1)
    columns = rows[:, None] ** 2 + rows**2 <= radius**2
    return (columns.sum(axis=1) // 2).astype(np.int32), int(columns.sum())


def _prefix_sums(values: Plane, radius: int) -> Plane:
    """Sums of all values to the left, of an image with a margin: int32 (H + 2 r, W + 2 r + 1, 3)."""
    padded = np.pad(
        values,
        ((radius, radius), (radius, radius), (0, 0)),
        mode="reflect" if _fits(values, radius) else "edge",
    )
    sums = np.zeros((padded.shape[0], padded.shape[1] + 1, 3), dtype=np.int32)
    np.cumsum(padded, axis=1, out=sums[:, 1:])
    return sums


def _fits(values: Plane, radius: int) -> bool:
    return min(values.shape[:2]) > radius


@compiled
def _average_disk(sums, halves, count, out):  # type: ignore[no-untyped-def]
    """Fill uint8 (H, W * 3) with floors of means over the disk whose rows reach ``halves`` to either side."""
    radius = halves.size // 2
    line = np.empty(out.shape[1], dtype=np.int32)
    for y in range(out.shape[0]):
        line[:] = 0
        for k in range(halves.size):
            begin = 3 * (radius - halves[k])
            end = 3 * (radius + halves[k] + 1)
            before, after = sums[y + k, begin : begin + line.size], sums[y + k, end : end + line.size]
            for x in range(line.size):
                line[x] += after[x] - before[x]
        for x in range(line.size):
            out[y, x] = line[x] // count


def _sample_glass(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> npt.NDArray[np.uint16]:
    """16 bits for every round's move of every pixel down and right: (rounds, H, W, 2)."""
    rounds = max(params["rounds"] for params in levels)
    rows, columns = grid_size(size)
    bits = uint16(rng, rounds * rows * columns * 2).reshape(rounds, rows, columns, 2)
    return np.stack([spread_field(field, size) for field in bits])


def _apply_glass(image: Image, bits: npt.NDArray[np.uint16], params: Params) -> Image:
    """Blur, let every pixel take the colour of a neighbour at most ``reach`` away, ``rounds`` times, and blur."""
    size = size_of(image)
    kernel = gaussian(pixels(params["sigma"], size), 4.0)
    moved = separable(image, kernel, kernel).astype(np.uint8)
    reach = max(1, round(pixels(params["reach"], size)))
    for field in bits[: params["rounds"]]:
        out = np.empty_like(moved)
        _displace(moved, field, reach, out)
        moved = out
    return separable(moved, kernel, kernel).astype(np.uint8)


@compiled
def _displace(image, bits, reach, out):  # type: ignore[no-untyped-def]
    """Give each pixel of (H, W, 3) the colour of one at most ``reach`` away, within the image."""
    height, width = image.shape[0], image.shape[1]
    span = 2 * reach + 1
    for y in range(height):
        for x in range(width):
            from_y = min(max(y - reach + ((span * np.int64(bits[y, x, 0])) >> 16), 0), height - 1)
            from_x = min(max(x - reach + ((span * np.int64(bits[y, x, 1])) >> 16), 0), width - 1)
            for c in range(3):
                out[y, x, c] = image[from_y, from_x, c]


def _sample_angle(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> int:
    """Draw the direction of motion: quarters of a degree from -45 to 45 degrees."""
    return one_below(rng, 361) - 180


def _apply_motion(image: Image, angle: int, params: Params) -> Image:
    return clip(blur_along(image, params["radius"], params["sigma"], angle))


def blur_along(image: npt.NDArray[np.integer], radius: float, sigma: float, angle: int) -> Plane:
    """Average copies along a line with the weights of half a Gaussian; edges repeated.

    image: (H, W) or (H, W, 3) integers of at most 16 bits. radius, sigma: in 1/256 of the shorter side. angle: in
    quarters of a degree. Returns int32 of the same shape.
    """
    size = (image.shape[0], image.shape[1])
    reach, deviation = max(1, round(pixels(radius, size))), pixels(sigma, size)
    steps = np.arange(2 * reach + 1)
    weights = normalised(np.exp(-(steps**2) / (2 * deviation**2)), 14)
    half = 1 << (TRIG_BITS - 1)
    dy = -((steps * sine(angle) + half - 1) >> TRIG_BITS)
    dx = -((steps * cosine(angle) + half - 1) >> TRIG_BITS)
    inside = (np.abs(dy) < size[0]) & (np.abs(dx) < size[1])
    weights = weights * inside
    weights[0] += (1 << 14) - weights.sum()
    kept = inside & (weights > 0)
    return shifted_sum(
        image, dy[kept].astype(np.int32), dx[kept].astype(np.int32), weights[kept].astype(np.int32)
    )


def _apply_zoom(image: Image, draws: None, params: Params) -> Image:
    """Average the image with its zooms about the centre, bilinear with aligned corners."""
    height, width, _ = image.shape
    factors = zoom_factors(params["stop"], params["step"])
    rows, row_parts = zoom_grid(height, factors)
    columns, column_parts = zoom_grid(width, factors)
    framed = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge")
    total = np.empty(image.shape, dtype=np.int32)
    _add_zooms(framed.reshape(height + 1, -1), image, rows, row_parts, 3 * columns, column_parts, total)
    return (total // ((len(factors) + 1) << (2 * _ZOOM_BITS))).astype(np.uint8)


def zoom_factors(stop: float, step: float) -> tuple[int, ...]:
    """Zooms from 1 below ``stop`` by ``step``, in thousandths."""
    return tuple(range(1000, round(stop * 1000), round(step * 1000)))


@lru_cache(maxsize=64)
def zoom_grid(length: int, factors: tuple[int, ...]) -> tuple[npt.NDArray[np.uint32], Plane]:
    """For each zoom and output position: the neighbour before it and the share of the one after it in 1/256."""
    position = np.arange(length, dtype=np.int64)
    before = np.empty((len(factors), length), dtype=np.uint32)  # unsigned: no test for indices below zero
    parts = np.empty((len(factors), length), dtype=np.int32)
    for k, factor in enumerate(factors):
        kept = -(-length * 1000 // factor)
        enlarged = (2 * kept * factor + 1000) // 2000
        steps = enlarged - 1
        place = (position * (kept - 1) * (1 << (_ZOOM_BITS + 1)) + steps) // (2 * steps)
        place += (length - kept) // 2 << _ZOOM_BITS
        before[k], parts[k] = place >> _ZOOM_BITS, place & ((1 << _ZOOM_BITS) - 1)
    return before, parts


@compiled
def _add_zooms(framed, image, rows, row_parts, columns, column_parts, total):  # type: ignore[no-untyped-def]
    """Sum an image and its zooms in 1/2**16: ``framed`` is (H + 1, (W + 1) * 3), grids are (zooms, H) and, in
    values, (zooms, W)."""
    line = np.empty(framed.shape[1], dtype=np.int32)
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            for c in range(3):
                total[y, x, c] = np.int32(image[y, x, c]) << 16
        for k in range(rows.shape[0]):
            top, part = rows[k, y], row_parts[k, y]
            above, below = framed[top], framed[top + np.uint32(1)]
            for x in range(line.size):
                line[x] = np.int32(above[x]) * (256 - part) + np.int32(below[x]) * part
            for x in range(total.shape[1]):
                left, share = columns[k, x], column_parts[k, x]
                for c in range(3):
                    here, there = line[left + np.uint32(c)], line[left + np.uint32(c + 3)]
                    total[y, x, c] += (here << 8) + (there - here) * share


defocus_blur = ImageOperator(no_draws, _apply_defocus, {"radius": (1, 64), "softening": (0.01, 10.0)})
glass_blur = ImageOperator(
    _sample_glass, _apply_glass, {"sigma": (0.1, 20.0), "reach": (1, 15), "rounds": (1, 10)}
)
motion_blur = ImageOperator(_sample_angle, _apply_motion, {"radius": (1, 200), "sigma": (0.1, 200.0)})
zoom_blur = ImageOperator(no_draws, _apply_zoom, {"stop": (1.001, 3.0), "step": (0.001, 1.0)})
gaussian_blur = ImageOperator(no_draws, _apply_gaussian, {"sigma": (0.1, 50.0)})
