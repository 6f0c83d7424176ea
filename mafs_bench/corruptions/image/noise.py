"""Noise: gaussian, shot, impulse, speckle (Hendrycks & Dietterich, arXiv 1903.12261).

One draw serves all severities: unit normals that are scaled, or uniforms that are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.image import kernels
from mafs_bench.types import FloatArray, Image, Params

_Size = tuple[int, int]
_Bits = npt.NDArray[np.uint32]


def truncate(values: FloatArray) -> Image:
    """Clip to 0..255 in place, then cut off fractions (the reference never rounds)."""
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


def _sample_normals(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FloatArray:
    """Unit normals in grey levels, (H, W, 3)."""
    normals = rng.standard_normal((*size, 3), dtype=np.float32)
    normals *= 255
    return normals


def _sample_bits(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Bits:
    """31 fair bits a value, flat (H * W * 3,)."""
    bits = rng.integers(0, 1 << 32, size[0] * size[1] * 3, dtype=np.uint32)
    bits >>= 1
    return bits


def _sample_impulses(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> tuple[_Bits, Image]:
    """32 fair bits a value, and black or white by the lowest of them, both (H, W, 3)."""
    bits = rng.integers(0, 1 << 32, (*size, 3), dtype=np.uint32)
    return bits, -(bits & 1).astype(np.uint8)


def _apply_gaussian(image: Image, normals: FloatArray, params: Params) -> Image:
    values = normals * np.float32(params["scale"])
    values += image
    return truncate(values)


def _apply_speckle(image: Image, normals: FloatArray, params: Params) -> Image:
    values = normals * np.float32(params["scale"] / 255)
    values += 1
    values *= image
    return truncate(values)


def _apply_impulse(image: Image, draws: tuple[_Bits, Image], params: Params) -> Image:
    """Set a share ``amount`` of the values to black or white."""
    bits, impulses = draws
    return np.where(bits < np.uint32(params["amount"] * (1 << 32)), impulses, image)


def _apply_shot(image: Image, bits: _Bits, params: Params) -> Image:
    """Poisson counts by inversion: 256 possible rates, so 256 tables."""
    cdf, start, grey = _poisson_tables(params["photons"])
    flat = np.ascontiguousarray(image).reshape(-1)
    out = np.empty_like(flat)
    kernels.invert_cdf(flat, bits, cdf, start, grey, out)
    return out.reshape(image.shape)


@lru_cache(maxsize=16)
def _poisson_tables(photons: float) -> tuple[_Bits, Image, Image]:
    """Tabulate Poisson(v/255 * photons) for every grey level v.

    Returns P(count <= k) in units of 2^-31 (256, K), the first k worth a look for each of 256 equal parts
    of the unit interval (256, 256), and the grey level of k counts (K,).
    """
    most = int(photons + 10 * np.sqrt(photons) + 10)
    counts = np.arange(most + 1)
    rates = (np.arange(256) / 255 * photons)[:, None]
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(counts[1:]))))
    log_rates = np.log(np.where(rates > 0, rates, 1))
    probabilities = np.exp(counts * log_rates - rates - log_factorials)
    probabilities[0] = counts == 0
    cdf = np.round(np.minimum(np.cumsum(probabilities, axis=1), 1) * (1 << 31)).astype(np.uint32)
    cdf[:, -1] = 1 << 31
    parts = np.arange(256, dtype=np.uint32) << 23
    start = np.stack([np.searchsorted(row, parts, side="right") for row in cdf]).astype(np.uint8)
    grey = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8)
    return cdf, start, grey


gaussian_noise = ImageOperator(_sample_normals, _apply_gaussian, {"scale": (0.0, 10.0)})
shot_noise = ImageOperator(_sample_bits, _apply_shot, {"photons": (0.5, 130.0)})
impulse_noise = ImageOperator(_sample_impulses, _apply_impulse, {"amount": (0.0, 0.999)})
speckle_noise = ImageOperator(_sample_normals, _apply_speckle, {"scale": (0.0, 10.0)})
