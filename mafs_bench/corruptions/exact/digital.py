"""Digital: contrast, brightness, saturate, pixelate, elastic transform, low resolution, colour cast."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import no_draws, size_of
from mafs_bench.corruptions.exact.draws import grid_size, one_below, scale, spread_field, uint16
from mafs_bench.corruptions.exact.filters import Plane, clip, compiled, gather, separable
from mafs_bench.corruptions.exact.frame import repeat, resample
from mafs_bench.corruptions.exact.tables import ANGLE_STEPS, TRIG_BITS, cosine, fixed, gaussian
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_Longs = npt.NDArray[np.int64]
_BITS = 16


def look_up(tables: Image, image: Image) -> Image:
    """Replace grey levels by channel: tables uint8 (256, 3), image uint8 (H, W, 3)."""
    out = np.empty_like(image)
    _look_up(tables, image, out)
    return out


@compiled
def _look_up(tables, image, out):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[y, x, c] = tables[image[y, x, c], c]


@compiled
def _add_up(image, sums):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        red, green, blue = np.int64(0), np.int64(0), np.int64(0)
        for x in range(image.shape[1]):
            red += np.int64(image[y, x, 0])
            green += np.int64(image[y, x, 1])
            blue += np.int64(image[y, x, 2])
        sums[0] += red
        sums[1] += green
        sums[2] += blue


def channel_means(image: Image, bits: int) -> _Longs:
    """The mean of each channel in units of 2**-bits, rounded down, int64 (3,)."""
    sums = np.zeros(3, dtype=np.int64)
    _add_up(image, sums)
    return (sums << bits) // (image.shape[0] * image.shape[1])


def _apply_contrast(image: Image, draws: None, params: Params) -> Image:
    """Draw each channel towards its mean."""
    means = channel_means(image, _BITS)
    levels = np.arange(256, dtype=np.int64)[:, None] << _BITS
    table = means + (((levels - means) * fixed(params["factor"], _BITS)) >> _BITS)
    return look_up(clip(table >> _BITS), image)


def _apply_brightness(image: Image, draws: None, params: Params) -> Image:
    """Raise the value of HSV: hue and saturation stay, so all channels are scaled by one factor."""
    out = np.empty_like(image)
    _scale_values(image, _brightness_table(params["shift"]), out)
    return out


@compiled
def _scale_values(image, table, out):  # type: ignore[no-untyped-def]
    """``table[largest channel, channel]`` for every channel."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value = max(image[y, x, 0], image[y, x, 1], image[y, x, 2])
            for c in range(3):
                out[y, x, c] = table[value, image[y, x, c]]


@lru_cache(maxsize=16)
def _brightness_table(shift: float) -> Image:
    """Give the new level by (value, level), uint8 (256, 256); black becomes grey."""
    level = np.arange(256, dtype=np.int64)
    raised = np.minimum((level << _BITS) + fixed(255 * shift, _BITS), 255 << _BITS)[:, None]
    scaled = raised * level // np.maximum(level[:, None], 1)
    scaled[0] = raised[0]
    return clip(scaled >> _BITS)


def _apply_saturate(image: Image, draws: None, params: Params) -> Image:
    """Scale the saturation of HSV: each channel's distance below the largest is scaled by one factor.

    A grey pixel has hue 0, as in the release: a raised saturation turns it red.
    """
    out = np.empty_like(image)
    factors = _saturation_factors(params["factor"], params["shift"])
    _scale_distances(image, factors, params["shift"] > 0, out)
    return out


@compiled
def _scale_distances(image, factors, shifted, out):  # type: ignore[no-untyped-def]
    """Scale distances below the largest channel by ``factors[largest, least]`` in 1/2**12, rounded up."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            red, green, blue = np.int32(image[y, x, 0]), np.int32(image[y, x, 1]), np.int32(image[y, x, 2])
            value, least = max(red, green, blue), min(red, green, blue)
            factor = factors[value, least]
            for c in range(3):
                distance = value - np.int32(image[y, x, c])
                if shifted and c > 0 and value == least:
                    distance = np.int32(1)
                out[y, x, c] = max(value - ((distance * factor + 4095) >> 12), 0)


@lru_cache(maxsize=16)
def _saturation_factors(factor: float, shift: float) -> Plane:
    """Give the scale of the distances by (largest, least) channel in 1/2**12, int32 (256, 256)."""
    value, least = np.arange(256, dtype=np.int64)[:, None], np.arange(256, dtype=np.int64)
    chroma = np.maximum(value - least, 0)
    one = 1 << _BITS
    saturation = chroma * one // np.maximum(value, 1)
    scaled = np.clip(((saturation * fixed(factor, _BITS)) >> _BITS) + fixed(shift, _BITS), 0, one)
    wanted = scaled * value  # the new chroma in 1/2**16; where there was none, the distance is set to one
    return np.minimum((wanted // np.maximum(chroma, 1)) >> (_BITS - 12), 255 << 12).astype(np.int32)


def _apply_pixelate(image: Image, draws: None, params: Params) -> Image:
    """Average over the cells of a grid and show each cell in one colour; the grid's size is rounded down."""
    size = size_of(image)
    small = [length * round(params["factor"] * 1000) // 1000 for length in grid_size(size)]
    return repeat(resample(image, _at_most(small, size), "box"), size)


def _apply_low_resolution(image: Image, draws: None, params: Params) -> Image:
    """Shrink to ``factor`` of the frame, averaging areas, and enlarge again, bicubic."""
    size = size_of(image)
    small = [scale(length, round(params["factor"] * 1000), 1000) for length in grid_size(size)]
    return resample(resample(image, _at_most(small, size), "area"), size, "bicubic")


def _at_most(wanted: Sequence[int], size: _Size) -> _Size:
    """At least one pixel, and no more than there are."""
    return max(1, min(wanted[0], size[0])), max(1, min(wanted[1], size[1]))


def _sample_elastic(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> tuple[Plane, Plane]:
    """Draw smooth fields of displacement down and to the right for an alpha of 1, int32 (H, W) in 2**-16 pixels."""
    rows, columns = grid_size(size)
    along_y, along_x = gaussian(0.01 * rows, 3.0), gaussian(0.01 * columns, 3.0)
    fields = []
    for _ in ("down", "right"):
        uniforms = (uint16(rng, rows * columns) >> np.uint16(6)).astype(np.int32).reshape(rows, columns) - 512
        smooth = separable(uniforms, along_x, along_y, bits=6)  # in 2**-16 of the interval from -1/2 to 1/2
        fields.append(spread_field(smooth, size) * size[0] // 100)
    return fields[0], fields[1]


def _apply_elastic(image: Image, fields: tuple[Plane, Plane], params: Params) -> Image:
    alpha = fixed(params["alpha"], 4)
    down, right = (
        ((field.astype(np.int64) * alpha) >> 12).astype(np.int32) for field in fields
    )  # in 2**-8 pixels
    height, width = size_of(image)
    ys = (np.arange(height, dtype=np.int32) << 8)[:, None] + down
    xs = (np.arange(width, dtype=np.int32) << 8) + right
    return gather(image, ys, xs, 8)


def _sample_cast(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> int:
    """Draw a hue, in quarters of a degree."""
    return one_below(rng, ANGLE_STEPS)


def _apply_colour_cast(image: Image, hue: int, params: Params) -> Image:
    """Scale each channel by 1 + ``strength`` * cos of the hue's angle to it: light of another colour."""
    change = np.array([cosine(hue + third * ANGLE_STEPS // 3) for third in range(3)], dtype=np.int64)
    gain = (1 << 28) + fixed(params["strength"], 14) * change * (1 << (14 - TRIG_BITS))
    table = (np.arange(256, dtype=np.int64)[:, None] * gain + (1 << 27)) >> 28
    return look_up(clip(table), image)


low_resolution = ImageOperator(no_draws, _apply_low_resolution, {"factor": (0.01, 1.0)})
colour_cast = ImageOperator(_sample_cast, _apply_colour_cast, {"strength": (0.0, 1.0)})
contrast = ImageOperator(no_draws, _apply_contrast, {"factor": (0.0, 1.0)})
brightness = ImageOperator(no_draws, _apply_brightness, {"shift": (0.0, 1.0)})
saturate = ImageOperator(no_draws, _apply_saturate, {"factor": (0.0, 100.0), "shift": (0.0, 1.0)})
pixelate = ImageOperator(no_draws, _apply_pixelate, {"factor": (0.04, 1.0)})
elastic_transform = ImageOperator(_sample_elastic, _apply_elastic, {"alpha": (0.0, 200.0)})
