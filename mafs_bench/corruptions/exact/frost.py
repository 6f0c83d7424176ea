"""Frost: crystals over the image, from textures that are drawn here in integers.

Redefined: the release (Hendrycks & Dietterich, arXiv 1903.12261) blends photographs of frost, which depend on a
decoder. These textures have its range of greys: a mottled ground, ridges of two fractals and branching needles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import size_of
from mafs_bench.corruptions.exact.draws import below, grid_size, one_below, spread_field
from mafs_bench.corruptions.exact.filters import compiled, separable
from mafs_bench.corruptions.exact.tables import TRIG_BITS, cosine, fixed, gaussian, sine
from mafs_bench.corruptions.exact.weather import height_map, sample_fog
from mafs_bench.seeding import stream
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_Plane = npt.NDArray[np.int32]
_TEXTURES = 5
_SIDE = 512
_NEEDLES = 260


@dataclass(frozen=True, slots=True)
class FrostDraws:
    """Which texture, and the place of its upper left corner (down, right); the texture repeats seamlessly."""

    texture: int
    place: tuple[int, int]


def _sample_frost(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FrostDraws:
    return FrostDraws(one_below(rng, _TEXTURES), (one_below(rng, _SIDE), one_below(rng, _SIDE)))


def _apply_frost(image: Image, draws: FrostDraws, params: Params) -> Image:
    """Scale the image down and add the texture."""
    size = size_of(image)
    rows, columns = grid_size(size)
    down, right = (
        (np.arange(n) + place) % _SIDE for n, place in zip((rows, columns), draws.place, strict=True)
    )
    crop = spread_field(_texture(draws.texture).take(down, axis=0).take(right, axis=1), size)
    out = np.empty_like(image)
    _add(image, crop, fixed(params["image"], 12), fixed(params["texture"], 12), out)
    return out


@compiled
def _add(image, texture, first, second, out):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = np.int32(image[y, x, c]) * first + np.int32(texture[y, x, c]) * second
                out[y, x, c] = min(value >> 12, 255)


@lru_cache(maxsize=_TEXTURES)
def _texture(number: int) -> Image:
    """A periodic texture, uint8 (512, 512, 3), bluish white on dark."""
    rng = stream(0, "core", "frost texture", str(number))
    ground = _ranked(height_map(sample_fog(rng, (256, 256), ()), 1.6))
    ridges = [_ridge(_ranked(height_map(sample_fog(rng, (256, 256), ()), decay))) for decay in (1.5, 1.8)]
    needles = _needles(rng)
    grey = 85 + (ground * 80 >> 8) + (ridges[0] * 45 >> 8) + (ridges[1] * 35 >> 8) + needles
    tint = np.array([236, 246, 262], dtype=np.int32)
    return np.clip(grey[..., None] * tint >> 8, 0, 255).astype(np.uint8)


def _ranked(heights: _Plane) -> _Plane:
    """Stretch to 0..255."""
    lowest, highest = int(heights.min()), int(heights.max())
    return ((heights.astype(np.int64) - lowest) * 255 // (highest - lowest)).astype(np.int32)


def _ridge(levels: _Plane) -> _Plane:
    """Bright where the level crosses the middle, falling off quickly: 0..255."""
    return np.maximum(255 - 10 * np.abs(levels - 128), 0)


def _needles(rng: np.random.Generator) -> _Plane:
    """Needles of ice with side branches at 60 degrees, softened, 0..150 at the most."""
    canvas = np.zeros((_SIDE, _SIDE), dtype=np.int32)
    starts = below(rng, _SIDE, 2 * _NEEDLES).reshape(_NEEDLES, 2)
    angles, lengths = below(rng, 1440, _NEEDLES), below(rng, 70, _NEEDLES) + 20
    for (y, x), angle, length in zip(starts.tolist(), angles.tolist(), lengths.tolist(), strict=True):
        _line(canvas, y, x, angle, length, 150)
        branches = below(rng, length, length // 4).tolist()
        for along, turn in zip(branches, below(rng, 120, len(branches)).tolist(), strict=True):
            row = y + (along * sine(angle) >> TRIG_BITS)
            column = x + (along * cosine(angle) >> TRIG_BITS)
            side = (180 + turn) * (1 if along % 2 else -1)
            _line(canvas, row, column, angle + side, (length - along) // 2, 110)
    soft = gaussian(0.7, 3.0)
    wrapped = np.pad(canvas, 4, mode="wrap")
    return separable(wrapped, soft, soft)[4:-4, 4:-4]


def _line(canvas: _Plane, y: int, x: int, angle: int, length: int, level: int) -> None:
    steps = np.arange(2 * length)
    rows = (y + (steps * sine(angle) >> (TRIG_BITS + 1))) % _SIDE
    columns = (x + (steps * cosine(angle) >> (TRIG_BITS + 1))) % _SIDE
    canvas[rows, columns] = np.maximum(canvas[rows, columns], level)


frost = ImageOperator(_sample_frost, _apply_frost, {"image": (0.0, 2.0), "texture": (0.0, 2.0)})
