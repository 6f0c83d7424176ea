"""Noise: Gaussian, shot, impulse, speckle (Hendrycks & Dietterich, arXiv 1903.12261), fractions cut off as there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.draws import grid_size, spread_field, uint16, uint32
from mafs_bench.corruptions.exact.filters import compiled
from mafs_bench.corruptions.exact.grain import grain_of_unit
from mafs_bench.corruptions.exact.tables import NORMAL_BITS, fixed, normals, round_safely
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_Ints = npt.NDArray[np.int32]
_Bits = npt.NDArray[np.uint32]
_SCALE_BITS = 8
_CDF_BITS = 24


def sample_normals(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Ints:
    """Normal deviates in 2**-11, int32 (H, W, 3)."""
    rows, columns = grid_size(size)
    field = normals()[uint16(rng, rows * columns * 3)].reshape(rows, columns, 3)
    return spread_field(field, size)


def _sample_bits(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Bits:
    """32 fair bits per value, (H, W, 3)."""
    rows, columns = grid_size(size)
    return spread_field(uint32(rng, rows * columns * 3).reshape(rows, columns, 3), size)


@compiled
def _add_noise(image, deviates, factor, shift, relative, out):  # type: ignore[no-untyped-def]
    """Flat: v + factor * z (or v + v * factor * z) / 2**shift, floored and clipped."""
    for i in range(image.size):
        value = np.int32(image[i])
        weight = value * factor if relative else factor
        out[i] = min(max(value + ((deviates[i] * weight) >> shift), 0), 255)


def _noisy(image: Image, deviates: _Ints, factor: int, shift: int, relative: bool) -> Image:
    out = np.empty(image.size, dtype=np.uint8)
    flat = np.ascontiguousarray(image).reshape(-1)
    _add_noise(flat, deviates.reshape(-1), np.int32(factor), shift, relative, out)
    return out.reshape(image.shape)


def _apply_gaussian(image: Image, deviates: _Ints, params: Params) -> Image:
    factor = fixed(255 * params["scale"], _SCALE_BITS)
    return _noisy(image, deviates, factor, NORMAL_BITS + _SCALE_BITS, relative=False)


def _apply_speckle(image: Image, deviates: _Ints, params: Params) -> Image:
    return _noisy(
        image, deviates, fixed(params["scale"], _SCALE_BITS), NORMAL_BITS + _SCALE_BITS, relative=True
    )


def _apply_impulse(image: Image, bits: _Bits, params: Params) -> Image:
    """Set a share ``amount`` of the values to black or white, by the lowest bit."""
    return np.where(bits < np.uint32(fixed(params["amount"], 32)), ((bits & 1) * 255).astype(np.uint8), image)


@compiled
def _invert_cdf(image, bits, cdf, start, grey, out):  # type: ignore[no-untyped-def]
    """Replace each value v by ``grey[k]``, k the first with ``u < cdf[v, k]`` for the upper 24 bits u; images are flat.

    ``start[v, u >> 16]`` is where the search begins.
    """
    for i in range(image.size):
        v, u = image[i], bits[i] >> 8
        k = int(start[v, u >> 16])
        while u >= cdf[v, k]:
            k += 1
        out[i] = grey[k]


def _apply_shot(image: Image, bits: _Bits, params: Params) -> Image:
    """Poisson counts by inversion: 256 possible rates, so 256 tables."""
    out = np.empty(image.size, dtype=np.uint8)
    flat = np.ascontiguousarray(image).reshape(-1)
    _invert_cdf(flat, np.ascontiguousarray(bits).reshape(-1), *poisson_tables(params["photons"]), out)
    return out.reshape(image.shape)


@lru_cache(maxsize=16)
def poisson_tables(photons: float) -> tuple[_Bits, Image, Image]:
    """Tabulate Poisson(v/255 * photons) for every grey level v.

    Returns P(count <= k) in units of 2**-24, uint32 (256, K); the first k worth a look for each of 256 equal parts of
    the unit interval, uint8 (256, 256); and the grey level of k counts, uint8 (K,).
    """
    most = int(photons + 10 * np.sqrt(photons) + 10)
    counts = np.arange(most + 1)
    rates = (np.arange(256) / 255 * photons)[:, None]
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(counts[1:]))))
    log_rates = np.log(np.where(rates > 0, rates, 1))
    probabilities = np.exp(counts * log_rates - rates - log_factorials)
    probabilities[0] = counts == 0
    cdf = round_safely(np.minimum(np.cumsum(probabilities, axis=1), 1) * (1 << _CDF_BITS)).astype(np.uint32)
    cdf[:, -1] = 1 << _CDF_BITS
    parts = np.arange(256, dtype=np.uint32) << np.uint32(_CDF_BITS - 8)
    start = np.stack([np.searchsorted(row, parts, side="right") for row in cdf]).astype(np.uint8)
    grey = np.minimum(np.floor(counts * 255 / photons + 1e-6), 255).astype(np.uint8)
    return cdf, start, grey


gaussian_noise = grain_of_unit(ImageOperator(sample_normals, _apply_gaussian, {"scale": (0.0, 2.0)}))
shot_noise = grain_of_unit(ImageOperator(_sample_bits, _apply_shot, {"photons": (0.5, 130.0)}))
impulse_noise = grain_of_unit(ImageOperator(_sample_bits, _apply_impulse, {"amount": (0.0, 0.999)}))
speckle_noise = grain_of_unit(ImageOperator(sample_normals, _apply_speckle, {"scale": (0.0, 2.0)}))
