"""Tables that floating point makes and integers use; each entry must be far enough from a tie to be safe."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

NORMAL_BITS = 11
"""Normal deviates are counted in 2**-11 standard deviations: with 16-bit draws they reach from -4.3 to 4.3."""
ANGLE_STEPS = 1440
"""Directions are whole quarters of a degree."""
TRIG_BITS = 14

_SAFE = 1e-7
"""How far from a tie a value must be before it is rounded; libraries differ by less than 1e-11 here."""


def round_safely(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Round to the nearest integer; exact ties and values near one go up, on every machine."""
    return np.floor(values + 0.5 + _SAFE).astype(np.int64)


@lru_cache(maxsize=1)
def normals() -> npt.NDArray[np.int32]:
    """Normal deviates in 2**-11 by 16 uniform bits: the inverse of the distribution at bin centres, (65536,) int32."""
    # One half of the table is computed and mirrored, so that it is symmetric to the last bit.
    upper = round_safely(ndtri((np.arange(1 << 15, 1 << 16) + 0.5) / (1 << 16)) * (1 << NORMAL_BITS))
    return np.concatenate((-upper[::-1], upper)).astype(np.int32)


@lru_cache(maxsize=1)
def _sines() -> npt.NDArray[np.int64]:
    quarter = ANGLE_STEPS // 4
    first = round_safely(np.sin(np.arange(quarter + 1) * (2 * np.pi / ANGLE_STEPS)) * (1 << TRIG_BITS))
    half = np.concatenate((first, first[-2:0:-1]))
    return np.concatenate((half, -half))


def sine(step: int) -> int:
    """Sine of ``step`` quarters of a degree in 2**-14."""
    return int(_sines()[step % ANGLE_STEPS])


def cosine(step: int) -> int:
    """Cosine of ``step`` quarters of a degree in 2**-14."""
    return sine(step + ANGLE_STEPS // 4)


def fixed(value: float, bits: int) -> int:
    """A parameter of a suite in units of 2**-bits."""
    return int(round_safely(np.array(value * (1 << bits)))[()])


def normalised(weights: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.int32]:
    """Positive weights as int32 that sum to exactly 2**bits; what rounding leaves goes to the largest."""
    out = round_safely(weights / weights.sum() * (1 << bits))
    out[np.argmax(out)] += (1 << bits) - out.sum()
    return out.astype(np.int32)


@lru_cache(maxsize=256)
def gaussian(sigma: float, cut: float, bits: int = 14) -> npt.NDArray[np.int32]:
    """A Gaussian that ends at ``cut`` standard deviations (scipy's rule), summing to 2**bits."""
    radius = int(cut * sigma + 0.5)
    half = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    whole = np.concatenate((half[:0:-1], half))
    out = round_safely(whole / whole.sum() * (1 << bits))
    out[radius] += (1 << bits) - out.sum()
    return out.astype(np.int32)
