"""Weather: snow, frost, fog, spatter, with the pixels of ``imagecorruptions`` 1.1.2, and low light.

Quirks kept: frost draws from five of the six textures that the package ships, two of them equal; the snow
layer is added twice, once upside down. The textures are read from the installed package.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.image.blur import blur_along, gaussian_filter
from mafs_bench.corruptions.image.digital import look_up_pairs, spread
from mafs_bench.corruptions.image.files import read_colour
from mafs_bench.corruptions.image.noise import truncate
from mafs_bench.errors import DataError
from mafs_bench.types import FloatArray, Image, Params

_Size = tuple[int, int]
_Doubles = npt.NDArray[np.float64]

_FROST_FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
_WATER = np.array([175, 238, 238], dtype=np.float32)
_MUD = np.array([63, 42, 20], dtype=np.float32)
_LARGEST_LAYER = 10**9
"""Bytes of the largest height map of fog (square, of a power of two of points per side), or texture of frost: both grow
with the square of the longer side, and beyond it images are refused."""
_ANY_FROST_FITS = 4096
"""Pixels of the longer side up to which no texture comes near that."""
_KEPT_FROST = 64 << 20
"""Bytes of an enlarged texture beyond which only one is kept."""
_BAND = 1 << 15
"""Points of the next to last level of the map that are refined at once."""


@dataclass(frozen=True, slots=True)
class SnowDraws:
    """``flakes``: unit normals (H, W); ``angle`` of the fall in degrees."""

    flakes: FloatArray
    angle: float


def _sample_snow(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> SnowDraws:
    return SnowDraws(rng.standard_normal(size, dtype=np.float32), float(rng.uniform(-135, -45)))


def _apply_snow(image: Image, draws: SnowDraws, params: Params) -> Image:
    flakes = _enlarge(draws.flakes.astype(np.float64) * params["scale"] + params["mean"], params["zoom"])
    flakes[flakes < params["threshold"]] = 0
    np.clip(flakes, 0, 1, out=flakes)
    layer = np.rint(blur_along(flakes, params["radius"], params["sigma"], draws.angle) * 255)
    layer = layer[: image.shape[0], : image.shape[1]]
    layer = layer + layer[::-1, ::-1]
    grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
    grey *= 1.5
    grey += 127.5
    values = np.maximum(image, spread(grey))
    values *= np.float32(1 - params["keep"])
    values += np.float32(params["keep"]) * image
    values += spread(layer)
    return truncate(values)


def _enlarge(values: _Doubles, factor: float) -> _Doubles:
    """Zoom into the centre of (H, W), bilinear with aligned corners, to at least the same size."""
    (height, width), (kept_rows, kept_columns) = values.shape, (math.ceil(n / factor) for n in values.shape)
    top, left = (height - kept_rows) // 2, (width - kept_columns) // 2
    values = values[top : top + kept_rows, left : left + kept_columns]
    for kept in (kept_rows, kept_columns):
        position = np.linspace(0, kept - 1, round(kept * factor))
        before = np.minimum(position.astype(np.int64), kept - 2)
        part = (position - before)[:, None]
        upper, lower = values[before], values[before + 1]
        values = np.ascontiguousarray((upper + part * (lower - upper)).T)
    return values


@dataclass(frozen=True, slots=True)
class FrostDraws:
    """Which texture, and uniforms in [0, 1) that place the crop (down, right)."""

    texture: int
    place: tuple[float, float]


def _sample_frost(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FrostDraws:
    return FrostDraws(int(rng.integers(len(_FROST_FILES))), (float(rng.random()), float(rng.random())))


def _apply_frost(image: Image, draws: FrostDraws, params: Params) -> Image:
    height, width, _ = image.shape
    texture = _frost_texture(draws.texture, height, width)
    top = int(draws.place[0] * (texture.shape[0] - height))
    left = int(draws.place[1] * (texture.shape[1] - width))
    crop = texture[top : top + height, left : left + width]
    return look_up_pairs(_blend_table(params["image"], params["texture"]), image, crop)


@lru_cache(maxsize=16)
def _blend_table(first: float, second: float) -> Image:
    """Give ``first * a + second * b`` by (a, b), clipped and truncated."""
    level = np.arange(256, dtype=np.float64)
    return np.clip(first * level[:, None] + second * level, 0, 255).astype(np.uint8)


def _refuse_frost(size: _Size) -> str | None:
    """Why an image of that height and width gets no frost: a texture enlarged to it would be too large."""
    if max(size) <= _ANY_FROST_FITS:
        return None
    largest = max(
        rows * columns * 3 * _frost_scale((rows, columns), size) ** 2
        for rows, columns, _ in (_read_frost(number).shape for number in range(len(_FROST_FILES)))
    )
    return _too_large("frost", size, "a texture of", largest)


def _too_large(name: str, size: _Size, what: str, taken: float) -> str | None:
    if taken <= _LARGEST_LAYER:
        return None
    return (
        f"{name} on {size[1]}x{size[0]} pixels needs {what} {taken / 1e9:.1f} GB; allowed: "
        f"{_LARGEST_LAYER / 1e9:.0f} GB (--suite core@2 needs none)"
    )


def _frost_scale(texture: _Size, size: _Size) -> float:
    """1.1, or what an image needs beyond that."""
    return 1.1 * max(1, size[0] / texture[0], size[1] / texture[1])


def _frost_texture(number: int, height: int, width: int) -> Image:
    """Return texture ``number``, enlarged for an image of that size."""
    rows, columns, _ = _read_frost(number).shape
    scale = _frost_scale((rows, columns), (height, width))
    scaled = _scaled_frost if rows * columns * 3 * scale**2 < _KEPT_FROST else _scaled_large_frost
    return scaled(number, scale)


def _scale_frost(number: int, scale: float) -> Image:
    texture = _read_frost(number)
    size = (int(np.ceil(texture.shape[1] * scale)), int(np.ceil(texture.shape[0] * scale)))
    return cv2.resize(texture, size, interpolation=cv2.INTER_CUBIC)


_scaled_frost = lru_cache(maxsize=8)(_scale_frost)
_scaled_large_frost = lru_cache(maxsize=1)(_scale_frost)


@lru_cache(maxsize=len(_FROST_FILES))
def _read_frost(number: int) -> Image:
    spec = importlib.util.find_spec("imagecorruptions")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("frost needs the textures of the package imagecorruptions, which is not installed")
    path = Path(spec.submodule_search_locations[0]) / "frost" / _FROST_FILES[number]
    return read_colour(path, "the frost texture")


def _refuse_fog(size: _Size) -> str | None:
    """Why an image of that height and width gets no fog: its square map would be too large."""
    side = _fog_side(size)
    return _too_large("fog", size, f"a map of {side:,} x {side:,} points,", 4 * side**2)


def _fog_side(size: _Size) -> int:
    """The next power of two."""
    return 1 << (max(size) - 1).bit_length()


def _sample_fog(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> list[FloatArray]:
    """Uniforms in [-1, 1) for the two steps of each level of the height map, coarse to fine."""
    counts = [1 << level for level in range(_fog_side(size).bit_length() - 1)]
    return [_symmetric(rng.random(shape, dtype=np.float32)) for n in counts for shape in ((n, n), (2, n, n))]


def _symmetric(uniforms: FloatArray) -> FloatArray:
    """Map [0, 1) to [-1, 1) in place."""
    uniforms *= 2
    uniforms -= 1
    return uniforms


def _apply_fog(image: Image, draws: list[FloatArray], params: Params) -> Image:
    height, width, _ = image.shape
    fog, lowest, highest = _diamond_square(draws, params["decay"], (height, width))
    strength, brightest = params["strength"], int(image.max()) / 255
    scale = brightest / (brightest + strength)
    veil = (fog - np.float32(lowest)) * np.float32(255 * strength * scale / (highest - lowest))
    values = image * np.float32(scale)
    values += spread(veil)
    return truncate(values)


def _diamond_square(draws: list[FloatArray], decay: float, size: _Size) -> tuple[FloatArray, float, float]:
    """A corner of a periodic height map, with the whole map's lowest and highest point.

    Each new point is the mean of four neighbours plus shrinking noise. The last and largest level is made a few rows
    at a time, and only the corner of it is kept.
    """
    heights = np.zeros((1, 1), dtype=np.float32)
    wobble = 100.0
    *coarse, finest = zip(draws[::2], draws[1::2], strict=True)
    for noise in coarse:
        heights = _refine(heights, noise, np.float32(wobble**2), 0, len(heights))
        wobble = wobble / decay
    corner = np.empty(size, dtype=np.float32)
    lowest, highest = np.inf, -np.inf
    rows = max(1, _BAND // len(heights))
    for first in range(0, len(heights), rows):
        band = _refine(heights, finest, np.float32(wobble**2), first, min(rows, len(heights) - first))
        lowest, highest = min(lowest, float(band.min())), max(highest, float(band.max()))
        kept = corner[2 * first : 2 * first + len(band)]
        kept[:] = band[: len(kept), : size[1]]
    return corner, lowest, highest


def _refine(
    heights: FloatArray, noise: tuple[FloatArray, FloatArray], amplitude: np.float32, first: int, rows: int
) -> FloatArray:
    """The points between those in ``rows`` rows of a map from ``first`` on, and these themselves, (2 rows, 2 n)."""
    centre_noise, edge_noise = noise
    around = np.arange(first - 1, first + rows + 1) % len(heights)
    own = slice(first, first + rows)
    values = heights[around]
    right = _add_next(values.T).T
    centres = _displaced(right[:-1] + right[1:], centre_noise[around[:-1]], amplitude)
    across = centres[1:] + centres[:-1]
    across += right[1:-1]
    down = np.empty_like(across)
    np.add(centres[1:, 1:], centres[1:, :-1], out=down[:, 1:])
    np.add(centres[1:, 0], centres[1:, -1], out=down[:, 0])
    down += values[1:-1] + values[2:]
    finer = np.empty((2 * rows, 2 * len(heights)), dtype=np.float32)
    finer[::2, ::2], finer[1::2, 1::2] = values[1:-1], centres[1:]
    finer[::2, 1::2] = _displaced(across, edge_noise[0, own], amplitude)
    finer[1::2, ::2] = _displaced(down, edge_noise[1, own], amplitude)
    return finer


def _add_next(values: FloatArray) -> FloatArray:
    """Add to each row the one after it, to the last the first."""
    out = np.empty_like(values)
    np.add(values[:-1], values[1:], out=out[:-1])
    np.add(values[-1], values[0], out=out[-1])
    return out


def _displaced(sums: FloatArray, noise: FloatArray, amplitude: np.float32) -> FloatArray:
    """Turn sums of four neighbours into means plus noise, in place."""
    sums *= np.float32(0.25)
    sums += amplitude * noise
    return sums


def _sample_spatter(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FloatArray:
    """Unit normals (H, W)."""
    return rng.standard_normal(size, dtype=np.float32)


def _apply_spatter(image: Image, normals: FloatArray, params: Params) -> Image:
    liquid = normals.astype(np.float64) * params["scale"] + params["mean"]
    liquid = gaussian_filter(liquid, params["sigma"], cv2.CV_64F)
    liquid[liquid < params["threshold"]] = 0
    return (_mud if params["mud"] else _water)(image, liquid, params["strength"])


def _mud(image: Image, liquid: _Doubles, softness: float) -> Image:
    """Cover with brown where the softened drops are dense."""
    drops = (liquid > 0).astype(np.float32)
    cover = gaussian_filter(drops, softness)
    cover[cover < 0.8] = 0
    cover = spread(cover)
    return truncate(image * (1 - cover) + cover * np.tile(_MUD, (image.shape[1], 1)))


def _water(image: Image, liquid: _Doubles, strength: float) -> Image:
    """Add pale turquoise where the drops refract; without any drop the image stays as it is."""
    drops = (liquid * 255).astype(np.uint8)
    refraction = drops * _relief(drops)
    highest = refraction.max()
    if highest == 0:
        return image.copy()
    refraction *= np.float32(strength / highest)
    return truncate(image + spread(refraction) * np.tile(_WATER, (image.shape[1], 1)))


def _relief(drops: Image) -> FloatArray:
    """Shade the distance to the drops' outlines like an embossed surface."""
    distance = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
    _, distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)
    shaded = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    embossed = cv2.filter2D(shaded, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    relief: Any = cv2.blur(embossed, (3, 3)).astype(np.float32)
    return relief


def _sample_sensor(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FloatArray:
    """Unit normals (H, W, 3)."""
    return rng.standard_normal((*size, 3), dtype=np.float32)


def _apply_low_light(image: Image, normals: FloatArray, params: Params) -> Image:
    """Let ``exposure`` of the light in, with the sensor's noise: shot (root of the light) and read noise.

    Works on linear light (grey level to the power of 2.2, white = 1) and returns to grey levels.
    """
    light = (np.linspace(0, 1, 256) ** 2.2 * params["exposure"]).astype(np.float32)
    deviation = np.sqrt(light / params["photons"] + params["read_noise"] ** 2).astype(np.float32)
    sensed = cv2.LUT(image, light)
    sensed += cv2.LUT(image, deviation) * normals
    np.clip(sensed, 0, 1, out=sensed)
    return np.rint(cv2.pow(sensed, 1 / 2.2) * 255).astype(np.uint8)


low_light = ImageOperator(
    _sample_sensor,
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
frost = ImageOperator(
    _sample_frost, _apply_frost, {"image": (0.0, 2.0), "texture": (0.0, 2.0)}, refuse=_refuse_frost
)
fog = ImageOperator(
    _sample_fog, _apply_fog, {"strength": (0.0, 20.0), "decay": (1.0, 10.0)}, refuse=_refuse_fog
)
spatter = ImageOperator(
    _sample_spatter, _apply_spatter,
    {
        "mean": (-1.0, 1.0), "scale": (0.0, 5.0), "sigma": (0.1, 50.0), "threshold": (0.0, 1.0),
        "strength": (0.1, 10.0), "mud": (False, True),
    },
)  # fmt: skip
