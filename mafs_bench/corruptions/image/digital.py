"""Digital: contrast, brightness, saturate, pixelate, JPEG, elastic transform, low resolution and colour cast.

What depends on one or two bytes only is looked up in a table that double arithmetic filled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.image import kernels
from mafs_bench.corruptions.image.blur import gaussian_kernel, no_draws
from mafs_bench.corruptions.image.noise import truncate
from mafs_bench.types import FloatArray, Image, Params

_Size = tuple[int, int]


def spread(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Repeat (H, W) over three channels: arithmetic over equal shapes is several times as fast."""
    return cv2.merge((plane, plane, plane))


def look_up_pairs(table: Image, rows: Image, columns: Image) -> Image:
    """``table[rows, columns]`` for a (256, 256) table of bytes."""
    index = rows.astype(np.uint16)
    index <<= 8
    index = index | columns
    return table.reshape(-1).take(index)


def _apply_contrast(image: Image, draws: None, params: Params) -> Image:
    means = np.array(cv2.mean(image)[:3]) / 255
    levels = (np.arange(256) / 255)[:, None]
    table = np.clip((levels - means) * params["factor"] + means, 0, 1) * 255
    return cv2.LUT(image, table.astype(np.uint8).reshape(256, 1, 3))


def _apply_brightness(image: Image, draws: None, params: Params) -> Image:
    """Raise the value of HSV: hue and saturation stay, so all channels are scaled by one factor."""
    red, green, blue = cv2.split(image)
    value = cv2.max(cv2.max(red, green), blue)
    return look_up_pairs(_brightness_table(params["shift"]), spread(value), image)


@lru_cache(maxsize=16)
def _brightness_table(shift: float) -> Image:
    """Give the new level by (value, level); black becomes grey."""
    value = (np.arange(256) / 255)[:, None]
    raised = np.clip(value + shift, 0, 1)
    level = np.arange(256)[None, :] / 255
    scaled = np.where(value > 0, raised * level / np.where(value > 0, value, 1), raised)
    return (np.clip(scaled, 0, 1) * 255 + 1e-9).astype(np.uint8)


def _apply_saturate(image: Image, draws: None, params: Params) -> Image:
    """Scale the saturation of HSV: each channel's distance below the largest is scaled by one factor.

    A grey pixel has hue 0, as in the reference: a raised saturation turns it red.
    """
    red, green, blue = cv2.split(image)
    value = cv2.max(cv2.max(red, green), blue)
    least = cv2.min(cv2.min(red, green), blue)
    index = (value.astype(np.uint16) << 8) | least
    largest = spread(value)
    distances = (largest - image).astype(np.float32)
    if params["shift"] > 0:
        distances[:, :, 1:][value == least] = 1
    distances *= spread(_saturation_factors(params["factor"], params["shift"]).take(index))
    return truncate(largest - distances)


@lru_cache(maxsize=16)
def _saturation_factors(factor: float, shift: float) -> FloatArray:
    """Give the scale of the distances by (largest, least) channel, flat (65536,)."""
    value, least = np.mgrid[0:256, 0:256].astype(np.float64)
    spread = np.maximum(value - least, 0)
    saturation = np.clip(spread / np.maximum(value, 1) * factor + shift, 0, 1)
    return (saturation * value / np.where(spread > 0, spread, 1)).astype(np.float32).reshape(-1)


def _apply_pixelate(image: Image, draws: None, params: Params) -> Image:
    height, width, _ = image.shape
    small = (int(width * params["factor"]), int(height * params["factor"]))
    reduced = PIL.Image.fromarray(image).resize(small, PIL.Image.Resampling.BOX)
    return np.array(reduced.resize((width, height), PIL.Image.Resampling.NEAREST))


def _apply_jpeg(image: Image, draws: None, params: Params) -> Image:
    """Encode and decode with libjpeg, colour at half resolution."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, params["quality"]])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _sample_elastic(
    rng: np.random.Generator, size: _Size, levels: Sequence[Params]
) -> tuple[FloatArray, FloatArray]:
    """Draw smooth fields of displacement to the right and down, (H, W), for an alpha of 1."""
    height, width = size
    rows, columns = gaussian_kernel(0.01 * height, 3.0), gaussian_kernel(0.01 * width, 3.0)
    dx, dy = (
        cv2.sepFilter2D(
            (0.01 * height) * (rng.random(size, dtype=np.float32) - np.float32(0.5)),
            cv2.CV_32F,
            columns,
            rows,
            borderType=cv2.BORDER_REFLECT,
        )
        for _ in ("right", "down")
    )
    return dx, dy


def _apply_elastic(image: Image, fields: tuple[FloatArray, FloatArray], params: Params) -> Image:
    dx, dy = (field * np.float32(params["alpha"]) for field in fields)
    margin = 2 + math.ceil(max(np.abs(dx).max(), np.abs(dy).max()))
    framed = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REFLECT)
    out = np.empty(image.shape, dtype=np.uint8)
    kernels.sample_bilinear(framed, dx, dy, margin, out)
    return out


def _apply_low_resolution(image: Image, draws: None, params: Params) -> Image:
    """Shrink to ``factor`` of the size, averaging areas, and enlarge again, bicubic."""
    height, width, _ = image.shape
    size = (max(1, round(width * params["factor"])), max(1, round(height * params["factor"])))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _sample_cast(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FloatArray:
    """Draw a hue: changes of the three channels in [-1, 1] that sum to zero, evenly over the circle of hues."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.cos(angle + np.array([0, 2, 4]) * np.pi / 3).astype(np.float32)


def _apply_colour_cast(image: Image, hue: FloatArray, params: Params) -> Image:
    """Scale each channel by 1 + ``strength`` * its change: light of another colour."""
    table = np.arange(256)[:, None] * (1 + np.float32(params["strength"]) * hue)
    return cv2.LUT(image, np.rint(np.clip(table, 0, 255)).astype(np.uint8).reshape(256, 1, 3))


low_resolution = ImageOperator(no_draws, _apply_low_resolution, {"factor": (0.01, 1.0)})
colour_cast = ImageOperator(_sample_cast, _apply_colour_cast, {"strength": (0.0, 1.0)})
contrast = ImageOperator(no_draws, _apply_contrast, {"factor": (0.0, 1.0)})
brightness = ImageOperator(no_draws, _apply_brightness, {"shift": (0.0, 1.0)})
saturate = ImageOperator(no_draws, _apply_saturate, {"factor": (0.0, 100.0), "shift": (0.0, 1.0)})
pixelate = ImageOperator(no_draws, _apply_pixelate, {"factor": (0.04, 1.0)})
jpeg_compression = ImageOperator(no_draws, _apply_jpeg, {"quality": (1, 100)})
elastic_transform = ImageOperator(_sample_elastic, _apply_elastic, {"alpha": (0.0, 200.0)})
