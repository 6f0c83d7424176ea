"""Letters and figures that are drawn here, so that no font file or library decides a pixel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

_LETTERS = {
    "a": "01110 10001 10001 11111 10001 10001 10001", "b": "11110 10001 10001 11110 10001 10001 11110",
    "c": "01110 10001 10000 10000 10000 10001 01110", "d": "11110 10001 10001 10001 10001 10001 11110",
    "e": "11111 10000 10000 11110 10000 10000 11111", "f": "11111 10000 10000 11110 10000 10000 10000",
    "g": "01110 10001 10000 10111 10001 10001 01111", "h": "10001 10001 10001 11111 10001 10001 10001",
    "i": "01110 00100 00100 00100 00100 00100 01110", "j": "00111 00010 00010 00010 00010 10010 01100",
    "k": "10001 10010 10100 11000 10100 10010 10001", "l": "10000 10000 10000 10000 10000 10000 11111",
    "m": "10001 11011 10101 10101 10001 10001 10001", "n": "10001 11001 10101 10011 10001 10001 10001",
    "o": "01110 10001 10001 10001 10001 10001 01110", "p": "11110 10001 10001 11110 10000 10000 10000",
    "q": "01110 10001 10001 10001 10101 10010 01101", "r": "11110 10001 10001 11110 10100 10010 10001",
    "s": "01111 10000 10000 01110 00001 00001 11110", "t": "11111 00100 00100 00100 00100 00100 00100",
    "u": "10001 10001 10001 10001 10001 10001 01110", "v": "10001 10001 10001 10001 10001 01010 00100",
    "w": "10001 10001 10001 10101 10101 11011 10001", "x": "10001 10001 01010 00100 01010 10001 10001",
    "y": "10001 10001 01010 00100 00100 00100 00100", "z": "11111 00001 00010 00100 01000 10000 11111",
}  # fmt: skip
"""Capitals of 5 x 7 dots, row by row."""


@lru_cache(maxsize=64)
def word_mask(word: str) -> Mask:
    """A word in capitals, bool (7, 6 * letters - 1): letters of 5 x 7 with one column between them."""
    letters = [np.array([[dot == "1" for dot in row] for row in _LETTERS[letter].split()]) for letter in word]
    gap = np.zeros((7, 1), dtype=bool)
    return np.concatenate([part for letter in letters for part in (letter, gap)][:-1], axis=1)


def shape_mask(kind: int, side: int) -> Mask:
    """A filled figure in a square, bool (side, side): disk, square, triangle, ring, cross, diamond, star or stripes."""
    # Twice the distance to the centre, in whole numbers, and the half side in the same unit.
    along = 2 * np.arange(side, dtype=np.int64) - (side - 1)
    y, x, reach = along[:, None], along, side
    distance = x * x + y * y
    figures = (
        lambda: distance <= reach * reach,
        lambda: (np.abs(x) * 20 <= reach * 17) & (np.abs(y) * 20 <= reach * 17),
        lambda: (y <= reach) & (2 * np.abs(x) <= y + reach),
        lambda: (distance <= reach * reach) & (3 * distance >= reach * reach),
        lambda: (np.abs(x) * 3 <= reach) | (np.abs(y) * 3 <= reach),
        lambda: np.abs(x) + np.abs(y) <= reach,
        lambda: np.minimum(np.abs(x) + 3 * np.abs(y), 3 * np.abs(x) + np.abs(y)) <= reach,
        lambda: (distance <= reach * reach) & ((np.abs(x + y + 2 * reach) * 5 // (2 * reach)) % 2 == 0),
    )
    return np.broadcast_to(figures[kind % len(figures)](), (side, side))


SHAPES = 8
"""How many figures ``shape_mask`` knows."""


def enlarge_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize a mask by nearest neighbour to (height, width)."""
    rows, columns = (np.arange(t) * s // t for s, t in zip(mask.shape, size, strict=True))
    return mask[rows[:, None], columns]
