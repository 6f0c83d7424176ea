"""Integer draws from a Philox generator's raw words, which are the same for every version of numpy."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Field = TypeVar("Field", bound=np.generic)

UNIT = 256
"""The shorter side in which lengths are counted and at which random fields are drawn."""

Ints = npt.NDArray[np.int32]


def uint32(rng: np.random.Generator, n: int) -> npt.NDArray[np.uint32]:
    """Draw ``n`` integers, each uniform in [0, 2**32)."""
    words = np.asarray(rng.bit_generator.random_raw((n + 1) // 2), dtype="<u8")
    return words.view("<u4")[:n].astype(np.uint32, copy=False)


def uint16(rng: np.random.Generator, n: int) -> npt.NDArray[np.uint16]:
    """Draw ``n`` integers, each uniform in [0, 2**16)."""
    words = np.asarray(rng.bit_generator.random_raw((n + 3) // 4), dtype="<u8")
    return words.view("<u2")[:n].astype(np.uint16, copy=False)


def below(rng: np.random.Generator, limit: int, n: int) -> npt.NDArray[np.int64]:
    """Draw ``n`` integers in [0, limit), int64; the bias is below limit / 2**32."""
    return ((uint32(rng, n).astype(np.uint64) * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)


def one_below(rng: np.random.Generator, limit: int) -> int:
    """Draw one integer in [0, limit)."""
    return int(below(rng, limit, 1)[0])


def permutation(rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """Draw an order of ``n`` things."""
    return np.argsort(uint32(rng, n), kind="stable")


def grid_size(size: tuple[int, int]) -> tuple[int, int]:
    """The rows and columns of a random field for an image of ``size``: its shorter side is ``UNIT``."""
    height, width = size
    shorter = min(height, width)
    return max(1, scale(height, UNIT, shorter)), max(1, scale(width, UNIT, shorter))


def scale(value: int, numerator: int, denominator: int) -> int:
    """``value * numerator / denominator``, rounded half up."""
    return (2 * value * numerator + denominator) // (2 * denominator)


def spread_field(field: npt.NDArray[Field], size: tuple[int, int]) -> npt.NDArray[Field]:
    """Enlarge a field (gh, gw, ...) drawn at ``grid_size(size)`` to (H, W, ...): each pixel takes its cell's value."""
    height, width = size
    rows, columns = field.shape[:2]
    if (rows, columns) == (height, width):
        return field
    across = field.take(np.arange(width) * columns // width, axis=1)
    return across.take(np.arange(height) * rows // height, axis=0)


def pixels(length: float, size: tuple[int, int]) -> float:
    """A length in units of 1/256 of the shorter side, in pixels of an image of ``size``."""
    return length * min(size) / UNIT
