"""Occlusion: covered places, a covered object, missing patches, words and stickers over the image.

What a severity hides contains what the lower ones hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import BoxOperator, ImageOperator
from mafs_bench.corruptions.exact.blur import size_of
from mafs_bench.corruptions.exact.draws import below, permutation
from mafs_bench.corruptions.exact.geometry import GREY
from mafs_bench.corruptions.exact.glyphs import enlarge_mask, word_mask
from mafs_bench.corruptions.exact.tables import fixed
from mafs_bench.types import Box, Image, Params

_Size = tuple[int, int]
_Longs = npt.NDArray[np.int64]
_Rectangle = tuple[int, int, int, int]
"""Top, bottom, left and right."""

_SHARE = {"share": (0.0, 1.0)}
_GRID = 14
_COVERS = 3
_ROWS = 7
"""Strips for words, each a seventh of the image high, so that no word hides another."""
_WORDS = (
    "apple", "boat", "car", "dog", "eagle", "fish", "guitar", "house", "iron", "jacket", "kite", "lamp", "moon",
    "nurse", "ocean", "piano", "queen", "river", "sheep", "tiger", "umbrella", "violin", "whale", "zebra",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CoverDraws:
    """Rectangles: centres (n, 2) as x and y, and half sides (n, 2), in 2**-16 of the sides; colours uint8 (n, 3)."""

    centres: _Longs
    sides: _Longs
    colours: Image


def _sample_covers(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> CoverDraws:
    centres = below(rng, 45875, 2 * _COVERS).reshape(_COVERS, 2) + 9830  # .15 to .85
    sides = below(rng, 13000, 2 * _COVERS).reshape(_COVERS, 2) + 13000  # aspect ratios from 1 : 2 to 2 : 1
    colours = below(rng, 256, 3 * _COVERS).astype(np.uint8).reshape(_COVERS, 3)
    return CoverDraws(centres, sides, colours)


def _apply_occlusion(image: Image, draws: CoverDraws, params: Params) -> Image:
    """Cover with three rectangles of one colour each that together hide ``share`` of the pixels.

    The rectangles grow from their centres, cut off at the border, until the pixels under at least one of them are as
    many as asked for, to within one step of 1/256 of the shorter side.
    """
    height, width = size_of(image)
    wanted = fixed(params["share"], 16) * height * width >> 16
    low, high = 0, 1 << 18
    while high - low > 1:  # the hidden area grows with the factor
        middle = (low + high) // 2
        if _hidden(draws, middle, (height, width)) < wanted:
            low = middle
        else:
            high = middle
    out = image.copy()
    for number in range(_COVERS):
        top, bottom, left, right = _rectangle(draws, number, high, (height, width))
        out[top:bottom, left:right] = draws.colours[number]
    return out


def _rectangle(draws: CoverDraws, number: int, factor: int, size: _Size) -> _Rectangle:
    """Top, bottom, left and right of a rectangle whose half sides are scaled by ``factor`` in 2**-16."""
    height, width = size
    (x, y), (across, down) = draws.centres[number].tolist(), draws.sides[number].tolist()
    across, down = across * factor >> 16, down * factor >> 16
    top, bottom = (max(y - down, 0) * height) >> 16, min(((y + down) * height) >> 16, height)
    left, right = (max(x - across, 0) * width) >> 16, min(((x + across) * width) >> 16, width)
    return top, bottom, left, right


def _hidden(draws: CoverDraws, factor: int, size: _Size) -> int:
    """Number of pixels covered by at least one of three rectangles, by inclusion and exclusion."""
    a, b, c = (_rectangle(draws, number, factor, size) for number in range(_COVERS))
    ab, ac, bc = _overlap(a, b), _overlap(a, c), _overlap(b, c)
    return _area(a) + _area(b) + _area(c) - _area(ab) - _area(ac) - _area(bc) + _area(_overlap(ab, c))


def _overlap(a: _Rectangle, b: _Rectangle) -> _Rectangle:
    top, bottom = max(a[0], b[0]), min(a[1], b[1])
    left, right = max(a[2], b[2]), min(a[3], b[3])
    return (top, bottom, left, right) if top < bottom and left < right else (0, 0, 0, 0)


def _area(a: _Rectangle) -> int:
    return max(a[1] - a[0], 0) * max(a[3] - a[2], 0)


@dataclass(frozen=True, slots=True)
class BoxDraws:
    """Which box, its fixed point (2**-16 of its width and height: it stays covered) and the cover's colour (3,)."""

    box: Box
    anchor: tuple[int, int]
    colour: Image


def _given_boxes(boxes: Sequence[Box]) -> ImageOperator:
    def sample(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> BoxDraws:
        height, width = size
        x0, y0, x1, y1 = boxes[int(below(rng, len(boxes), 1)[0])]
        inside = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
        across, down = below(rng, 1 << 16, 2).tolist()
        return BoxDraws(inside, (across, down), below(rng, 256, 3).astype(np.uint8))

    return ImageOperator(sample, _apply_box_occlusion, _SHARE)


def _apply_box_occlusion(image: Image, draws: BoxDraws, params: Params) -> Image:
    """Cover ``share`` of one box's area, in its proportions, at least one pixel."""
    out = image.copy()
    (x0, y0, x1, y1), side = draws.box, _root(fixed(params["share"], 32))
    left, right = _part(x0, x1, draws.anchor[0], side)
    top, bottom = _part(y0, y1, draws.anchor[1], side)
    out[top:bottom, left:right] = draws.colour
    return out


def _root(value: int) -> int:
    """The whole part of a square root, by Newton's method in whole numbers."""
    guess = 1 << ((value.bit_length() + 1) // 2)
    while (better := (guess + value // max(guess, 1)) // 2) < guess:
        guess = better
    return guess


def _part(begin: int, end: int, anchor: int, share: int) -> tuple[int, int]:
    """``share`` (2**-16) of the pixels from ``begin`` to ``end``, at least one; larger shares contain smaller ones."""
    length, one = end - begin, 1 << 16
    first = begin + ((anchor * (one - share) * length) >> 32)
    last = begin - (-(anchor * (one - share) + (share << 16)) * length >> 32)
    return first, min(end, max(first + 1, last))


def _sample_order(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Longs:
    """Draw the order in which the cells of a 14 x 14 grid go missing."""
    return permutation(rng, _GRID * _GRID)


def _apply_patch_dropout(image: Image, order: _Longs, params: Params) -> Image:
    """Replace a ``share`` of the cells by mid-grey."""
    missing = np.zeros(_GRID * _GRID, dtype=bool)
    missing[order[: (fixed(params["share"], 16) * order.size + (1 << 15)) >> 16]] = True
    rows, columns = (np.arange(n) * _GRID // n for n in image.shape[:2])
    out = image.copy()
    out[missing.reshape(_GRID, _GRID)[rows[:, None], columns]] = GREY
    return out


@dataclass(frozen=True, slots=True)
class WordDraws:
    """Which words, in which strip, how far right (2**-16 of the free space) and in which colour, in writing order."""

    words: tuple[str, ...]
    strips: _Longs
    places: _Longs
    colours: Image


def _sample_words(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> WordDraws:
    chosen = permutation(rng, len(_WORDS))[:_ROWS]
    return WordDraws(
        words=tuple(_WORDS[i] for i in chosen),
        strips=permutation(rng, _ROWS),
        places=below(rng, 1 << 16, _ROWS),
        colours=below(rng, 256, 3 * _ROWS).astype(np.uint8).reshape(_ROWS, 3),
    )


def _apply_text_overlay(image: Image, draws: WordDraws, params: Params) -> Image:
    """Write ``words`` words in capitals, each in a strip of its own, on black or white, whichever contrasts more."""
    out = image.copy()
    height, width = size_of(image)
    for i in range(params["words"]):
        mask = word_mask(draws.words[i])
        unit = max(1, min(height * 7 // (_ROWS * 9) // 7, width * 9 // 10 // mask.shape[1]))
        text = enlarge_mask(mask, (mask.shape[0] * unit, mask.shape[1] * unit))
        strip = int(draws.strips[i])
        middle = (2 * strip + 1) * height // (2 * _ROWS)
        tall, wide = text.shape[0] + 2 * unit, min(text.shape[1] + 2 * unit, width)
        top, left = max(middle - tall // 2, 0), int(draws.places[i]) * (width - wide) >> 16
        red, green, blue = draws.colours[i].tolist()
        dark = 299 * red + 587 * green + 114 * blue < 128000
        out[top : top + tall, left : left + wide] = 255 if dark else 0
        inside = out[top + unit : top + unit + text.shape[0], left + unit : left + unit + text.shape[1]]
        inside[text[: inside.shape[0], : inside.shape[1]]] = draws.colours[i]
    return out


occlusion = ImageOperator(_sample_covers, _apply_occlusion, _SHARE)
box_occlusion = BoxOperator(_given_boxes, _SHARE)
image_patch_dropout = ImageOperator(_sample_order, _apply_patch_dropout, _SHARE)
text_overlay = ImageOperator(_sample_words, _apply_text_overlay, {"words": (0, _ROWS)})
