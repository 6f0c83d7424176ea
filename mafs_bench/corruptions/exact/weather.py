"""Weather: snow, fog, low light (snow and fog after Hendrycks & Dietterich, arXiv 1903.12261, fractions cut off)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import blur_along, size_of
from mafs_bench.corruptions.exact.draws import UNIT, grid_size, one_below, spread_field, uint16
from mafs_bench.corruptions.exact.filters import Plane, compiled
from mafs_bench.corruptions.exact.noise import sample_normals
from mafs_bench.corruptions.exact.tables import NORMAL_BITS, fixed, normals, round_safely
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_LAYER_BITS = 6
_FOG_BITS = 4


@dataclass(frozen=True, slots=True)
class SnowDraws:
    """``flakes``: normal deviates in 2**-11 at the grid's size, int32; ``angle`` of the fall: quarters of a degree."""

    flakes: Plane
    angle: int


def _sample_snow(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> SnowDraws:
    rows, columns = grid_size(size)
    flakes = normals()[uint16(rng, rows * columns)].reshape(rows, columns)
    return SnowDraws(flakes, one_below(rng, 361) - 540)


def _apply_snow(image: Image, draws: SnowDraws, params: Params) -> Image:
    """Whiten the image a little and add a layer of blurred flakes, and the same upside down."""
    size = size_of(image)
    flakes = draws.flakes * fixed(params["scale"], 8) + (fixed(params["mean"], NORMAL_BITS) << 8)
    flakes = _enlarge(flakes >> 8, params["zoom"])  # in 2**-11
    flakes = np.where(
        flakes < fixed(params["threshold"], NORMAL_BITS), 0, np.minimum(flakes, 1 << NORMAL_BITS)
    )
    layer = flakes * 255 >> (NORMAL_BITS - _LAYER_BITS)
    layer = (
        blur_along(layer, params["radius"], params["sigma"], draws.angle) + (1 << (_LAYER_BITS - 1))
    ) >> _LAYER_BITS
    layer = spread_field(layer, size)
    out = np.empty_like(image)
    _whiten(image, layer, layer[::-1, ::-1], fixed(params["keep"], 10), out)
    return out


@compiled
def _whiten(image, layer, turned, keep, out):  # type: ignore[no-untyped-def]
    """keep * v + (1 - keep) * max(v, 1.5 * grey + 127.5) + snow, ``keep`` in 2**-10, grey by Rec. 601 in 2**-10."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            red, green, blue = np.int32(image[y, x, 0]), np.int32(image[y, x, 1]), np.int32(image[y, x, 2])
            light = ((306 * red + 601 * green + 117 * blue) * 3 >> 1) + 130560
            snow = layer[y, x] + turned[y, x]
            for c in range(3):
                value = np.int32(image[y, x, c]) << 10
                mixed = (value >> 10) * keep + ((max(value, light) >> 10) * (1024 - keep))
                out[y, x, c] = min((mixed >> 10) + snow, 255)


def _enlarge(values: Plane, factor: float) -> Plane:
    """Zoom into the centre of (H, W) to the same size, bilinear with aligned corners."""
    thousandths = round(factor * 1000)
    for _ in ("rows", "columns"):
        length = values.shape[0]
        kept = -(-length * 1000 // thousandths)
        enlarged = round(kept * thousandths / 1000)  # a tie goes to the even number, as in the release
        position = np.arange(length, dtype=np.int64) * (kept - 1) * 128 // (enlarged - 1)
        before = np.minimum(position >> 7, kept - 2) + (length - kept) // 2
        part = (position - ((position >> 7) << 7))[:, None].astype(np.int32)
        upper, lower = values[before], values[before + 1]
        values = np.ascontiguousarray((upper + ((lower - upper) * part >> 7)).T)
    return values


def sample_fog(
    rng: np.random.Generator, size: _Size, levels: Sequence[Params]
) -> list[npt.NDArray[np.int32]]:
    """Draws in [-2**15, 2**15) for the two steps of each level of a height map of 512 x 512, coarse to fine."""
    sides = [1 << level for level in range((2 * UNIT).bit_length() - 1)]
    bits = uint16(rng, sum(3 * n * n for n in sides)).astype(np.int32) - (1 << 15)
    ends = np.cumsum([3 * n * n for n in sides])[:-1]
    return [part.reshape(3, n, n) for part, n in zip(np.split(bits, ends), sides, strict=True)]


def _apply_fog(image: Image, draws: list[npt.NDArray[np.int32]], params: Params) -> Image:
    """Lay a plasma fractal over the image; beyond 512 units it repeats, seamlessly."""
    size = size_of(image)
    heights = height_map(draws, params["decay"])
    rows, columns = grid_size(size)
    lowest, highest = int(heights.min()), int(heights.max())
    strength, brightest = fixed(params["strength"], 10), int(image.max())
    # scale = brightest / (brightest + strength), brightest as a share of white; both in 2**-10.
    scale = (brightest << 20) // ((brightest << 10) + 255 * strength) if brightest else 0
    veil = (heights.astype(np.int64) - lowest) * (255 * strength * scale) // (highest - lowest)  # in 2**-20
    tiled = veil[np.arange(rows)[:, None] % heights.shape[0], np.arange(columns) % heights.shape[1]]
    out = np.empty_like(image)
    _veil(image, spread_field(tiled, size), scale, out)
    return out


@compiled
def _veil(image, veil, scale, out):  # type: ignore[no-untyped-def]
    """v * scale + veil, ``scale`` in 2**-10 and ``veil`` in 2**-20."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = (np.int64(image[y, x, c]) * scale << 10) + veil[y, x]
                out[y, x, c] = min(value >> 20, 255)


def height_map(draws: list[npt.NDArray[np.int32]], decay: float) -> Plane:
    """Make a periodic height map: each new point is the mean of four neighbours plus shrinking noise, in 2**-4."""
    heights = np.zeros((1, 1), dtype=np.int32)
    for noise, amplitude in zip(draws, _amplitudes(decay, len(draws)), strict=True):
        side = heights.shape[0]
        finer = np.empty((2 * side, 2 * side), dtype=np.int32)
        _refine(heights, noise, amplitude, finer)
        heights = finer
    return heights


@lru_cache(maxsize=32)
def _amplitudes(decay: float, levels: int) -> tuple[int, ...]:
    """What the largest draw adds at each level: the square of a wobble of 100 that shrinks by ``decay``, in 2**-4."""
    wobbles = (100.0 / np.power(decay, np.arange(levels, dtype=np.float64))) ** 2
    return tuple(round_safely(wobbles * (1 << _FOG_BITS)).tolist())


@compiled
def _refine(heights, noise, amplitude, finer):  # type: ignore[no-untyped-def]
    """One level of the diamond-square construction, with wrapped edges."""
    n = heights.shape[0]
    for y in range(n):
        down = (y + 1) % n
        for x in range(n):
            right = (x + 1) % n
            total = np.int64(heights[y, x]) + heights[y, right] + heights[down, x] + heights[down, right]
            finer[2 * y, 2 * x] = heights[y, x]
            finer[2 * y + 1, 2 * x + 1] = (total >> 2) + (np.int64(noise[0, y, x]) * amplitude >> 15)
    for y in range(n):
        down, above = (y + 1) % n, (2 * y - 1) % (2 * n)
        for x in range(n):
            right, left = (x + 1) % n, (2 * x - 1) % (2 * n)
            centre = np.int64(finer[2 * y + 1, 2 * x + 1])
            total = centre + finer[above, 2 * x + 1] + heights[y, x] + heights[y, right]
            finer[2 * y, 2 * x + 1] = (total >> 2) + (np.int64(noise[1, y, x]) * amplitude >> 15)
            total = centre + finer[2 * y + 1, left] + heights[y, x] + heights[down, x]
            finer[2 * y + 1, 2 * x] = (total >> 2) + (np.int64(noise[2, y, x]) * amplitude >> 15)


def _apply_low_light(image: Image, deviates: Plane, params: Params) -> Image:
    """Let ``exposure`` of the light in, with the sensor's noise: shot (root of the light) and read noise.

    Works on linear light (grey level to the power of 2.2, white = 2**16) and returns to grey levels.
    """
    out = np.empty_like(image)
    light, deviation = _sensor(params["exposure"], params["photons"], params["read_noise"])
    _sense(image, deviates, light, deviation, _gamma(), out)
    return out


@lru_cache(maxsize=16)
def _sensor(exposure: float, photons: float, read_noise: float) -> tuple[Plane, Plane]:
    """Light and the deviation of its noise by grey level, in 2**-16 of white, int32 (256,)."""
    light = (np.arange(256) / 255) ** 2.2 * exposure
    deviation = np.sqrt(light / photons + read_noise**2)
    return round_safely(light * 65536).astype(np.int32), round_safely(deviation * 65536).astype(np.int32)


@lru_cache(maxsize=1)
def _gamma() -> Image:
    """The grey level of each amount of light in 2**-16 of white, uint8 (65537,)."""
    return round_safely((np.arange(65537) / 65536) ** (1 / 2.2) * 255).astype(np.uint8)


@compiled
def _sense(image, deviates, light, deviation, grey, out):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                level = image[y, x, c]
                noise = (np.int64(deviates[y, x, c]) * deviation[level]) >> 11
                out[y, x, c] = grey[min(max(light[level] + noise, 0), 65536)]


low_light = ImageOperator(
    sample_normals,
    _apply_low_light,
    {"exposure": (0.001, 1.0), "photons": (1.0, 1e6), "read_noise": (0.0, 1.0)},
)
snow = ImageOperator(
    _sample_snow, _apply_snow,
    {
        "mean": (-1.0, 2.0), "scale": (0.0, 5.0), "zoom": (1.0, 10.0), "threshold": (0.0, 1.0),
        "radius": (1, 200), "sigma": (0.1, 200.0), "keep": (0.0, 1.0),
    },
)  # fmt: skip
fog = ImageOperator(sample_fog, _apply_fog, {"strength": (0.0, 20.0), "decay": (1.0, 10.0)})
