"""Blur: defocus, glass, motion, zoom, gaussian, with the pixels of ``imagecorruptions`` 1.1.2.

Quirks kept: the defocus kernels of severities 4 and 5 sum to 1.013 and 1.011; glass_blur does not swap pixels
but overwrites one by the other; fractions are cut off, not rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.image import kernels
from mafs_bench.corruptions.image.noise import truncate
from mafs_bench.types import FloatArray, Image, Params

_Size = tuple[int, int]
_Vector = npt.NDArray[np.floating[Any]]


def no_draws(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> None:
    """Draw nothing: the corruption is deterministic."""


def gaussian_filter(image: npt.NDArray[Any], sigma: float, depth: int = cv2.CV_32F) -> npt.NDArray[Any]:
    """Filter as ``skimage.filters.gaussian`` does by default: kernel cut at 4 sigma, edges repeated."""
    kernel = gaussian_kernel(sigma, 4.0)
    return cv2.sepFilter2D(image, depth, kernel, kernel, borderType=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=64)
def gaussian_kernel(sigma: float, cut: float) -> _Vector:
    """Return a normalised kernel that ends at ``cut`` standard deviations (scipy's rule)."""
    radius = int(cut * sigma + 0.5)
    values = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(values / values.sum())


def _apply_gaussian(image: Image, draws: None, params: Params) -> Image:
    return truncate(gaussian_filter(image, params["sigma"]))


def _apply_defocus(image: Image, draws: None, params: Params) -> Image:
    kernel = _disk_kernel(params["radius"], params["softening"])
    return truncate(cv2.filter2D(image, cv2.CV_32F, kernel))


@lru_cache(maxsize=16)
def _disk_kernel(radius: int, softening: float) -> FloatArray:
    """Return a disk with a softened rim, mirrored where it touches the border of its array."""
    reach = max(radius, 8)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.float32)
    size = 3 if radius <= 8 else 5
    softened: FloatArray = cv2.GaussianBlur(disk / disk.sum(), (size, size), softening)
    margin = reach - radius - size // 2
    return softened[margin:-margin, margin:-margin] if margin > 0 else softened


def _sample_glass(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> npt.NDArray[np.uint16]:
    """16 bits for every round's move of every pixel along x and y: (rounds, H, W, 2)."""
    rounds = max(params["rounds"] for params in levels)
    return rng.integers(0, 1 << 16, (rounds, *size, 2), dtype=np.uint16)


def _apply_glass(image: Image, bits: npt.NDArray[np.uint16], params: Params) -> Image:
    sigma, reach, rounds = params["sigma"], params["reach"], params["rounds"]
    blurred = _truncate_as_scipy(gaussian_filter(image, sigma), sigma)
    kernels.displace(blurred, bits, reach, rounds)
    return _truncate_as_scipy(gaussian_filter(blurred, sigma), sigma)


def _truncate_as_scipy(values: FloatArray, sigma: float) -> Image:
    """Cut off fractions; lower whole values, those of flat areas, where the reference's rounding does."""
    values = values + np.float32(5e-4)
    levels = values.astype(np.uint8)
    values -= levels
    np.copyto(levels, cv2.LUT(levels, _flat_areas(sigma)), where=values < np.float32(1e-3))
    return levels


@lru_cache(maxsize=16)
def _flat_areas(sigma: float) -> Image:
    """What double arithmetic makes of a flat area of each grey level: the level or one less."""
    from scipy.ndimage import gaussian_filter1d

    flat = (np.arange(256) / 255)[:, None]
    for _ in ("rows", "columns"):
        flat = gaussian_filter1d(flat, sigma, axis=1, mode="nearest")
    return (flat[:, 0] * 255).astype(np.uint8)


def _sample_angle(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> float:
    """Draw the angle of motion in degrees."""
    return float(rng.uniform(-45, 45))


def _apply_motion(image: Image, angle: float, params: Params) -> Image:
    return truncate(blur_along(image, params["radius"], params["sigma"], angle))


def blur_along(image: npt.NDArray[Any], radius: int, sigma: float, angle: float) -> FloatArray:
    """Average shifted copies with the weights of half a gaussian; edges repeated. (H, W) or (H, W, 3)."""
    height, width = image.shape[:2]
    dy, dx, weights = _motion_taps(radius, sigma, angle)
    inside = np.cumprod((np.abs(dy) < height) & (np.abs(dx) < width)).astype(bool)
    dy, dx, weights = dy[inside], dx[inside], weights[inside]
    top, bottom = max(dy.max(), 0), max(-dy.min(), 0)
    left, right = max(dx.max(), 0), max(-dx.min(), 0)
    channels = image.size // (height * width)
    padded = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE).astype(np.float32)
    out = np.empty((height, width * channels), dtype=np.float32)
    rows, columns = kernels.unsigned(top - dy), kernels.unsigned((left - dx) * channels)
    kernels.weighted_shifts(padded.reshape(padded.shape[0], -1), rows, columns, np.float32(weights), out)
    return out.reshape(image.shape)


def _motion_taps(radius: int, sigma: float, angle: float) -> tuple[Any, Any, _Vector]:
    """Whole-pixel shifts along the line (down, right) and their weights."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    dy = -np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(np.int64)
    dx = -np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(np.int64)
    return dy, dx, weights / weights.sum()


def _apply_zoom(image: Image, draws: None, params: Params) -> Image:
    """Average the image with its zooms about the centre, bilinear with aligned corners."""
    height, width, _ = image.shape
    factors = tuple(np.arange(1, params["stop"], params["step"]))
    rows, row_parts = _zoom_grid(height, factors)
    columns, column_parts = _zoom_grid(width, factors)
    framed = cv2.copyMakeBorder(image, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
    plane = framed.reshape(height + 1, -1).astype(np.float32)
    total = image.astype(np.float32)
    kernels.add_zooms(plane, rows, row_parts, 3 * columns, column_parts, np.empty_like(plane[0]), total)
    total /= len(factors) + 1
    return truncate(total)


@lru_cache(maxsize=64)
def _zoom_grid(length: int, factors: tuple[float, ...]) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    """For each zoom and output position: the neighbour before it and the share of the one after it."""
    before = np.empty((len(factors), length), dtype=np.uint32)
    parts = np.empty((len(factors), length), dtype=np.float32)
    for k, factor in enumerate(factors):
        first, position = zoom_positions(length, float(factor))
        before[k] = np.floor(position)
        parts[k] = position - before[k]
        before[k] += first
    return before, parts


def zoom_positions(length: int, factor: float) -> tuple[int, _Vector]:
    """Where a central crop starts, and where in it the first ``length`` points of its enlargement lie."""
    kept = int(np.ceil(length / factor))
    enlarged = round(kept * factor)
    spacing = (kept - 1) / (enlarged - 1)
    return (length - kept) // 2, np.arange(length) * spacing


defocus_blur = ImageOperator(no_draws, _apply_defocus, {"radius": (1, 64), "softening": (0.01, 10.0)})
glass_blur = ImageOperator(
    _sample_glass, _apply_glass, {"sigma": (0.1, 20.0), "reach": (1, 15), "rounds": (1, 10)}
)
motion_blur = ImageOperator(_sample_angle, _apply_motion, {"radius": (1, 200), "sigma": (0.1, 200.0)})
zoom_blur = ImageOperator(no_draws, _apply_zoom, {"stop": (1.001, 3.0), "step": (0.001, 1.0)})
gaussian_blur = ImageOperator(no_draws, _apply_gaussian, {"sigma": (0.1, 50.0)})
