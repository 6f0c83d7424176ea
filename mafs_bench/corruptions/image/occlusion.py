"""Occlusion: covered places, a covered object, missing patches, and words over the image (a typographic attack).

What a severity hides contains what the lower ones hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import BoxOperator, ImageOperator
from mafs_bench.types import Box, Image, Params

_Size = tuple[int, int]

MISSING_GREY = 127
"""The grey level of what is not there."""

_SHARE = {"share": (0.0, 1.0)}
_GRID = 14
_COVERS = 3
_WORDS = (
    "apple", "boat", "car", "dog", "eagle", "fish", "guitar", "house", "iron", "jacket", "kite", "lamp", "moon",
    "nurse", "ocean", "piano", "queen", "river", "sheep", "tiger", "umbrella", "violin", "whale", "zebra",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CoverDraws:
    """Rectangles: centres (n, 2) as shares of width and height, aspect ratios (n,) and colours (n, 3)."""

    centres: npt.NDArray[np.float64]
    aspects: npt.NDArray[np.float64]
    colours: Image


def _sample_covers(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> CoverDraws:
    return CoverDraws(
        centres=rng.uniform(0.15, 0.85, (_COVERS, 2)),
        aspects=np.exp(rng.uniform(-0.5, 0.5, _COVERS)),
        colours=rng.integers(0, 256, (_COVERS, 3), dtype=np.uint8),
    )


def _apply_occlusion(image: Image, draws: CoverDraws, params: Params) -> Image:
    """Cover with rectangles of one colour each that together have ``share`` of the area, overlaps counted twice."""
    out = image.copy()
    height, width, _ = image.shape
    area = params["share"] / _COVERS
    for (x, y), aspect, colour in zip(draws.centres, draws.aspects, draws.colours, strict=True):
        half_width, half_height = np.sqrt(area * aspect) / 2, np.sqrt(area / aspect) / 2
        left, right = _pixels(x - half_width, x + half_width, width)
        top, bottom = _pixels(y - half_height, y + half_height, height)
        out[top:bottom, left:right] = colour
    return out


@dataclass(frozen=True, slots=True)
class BoxDraws:
    """Which box, its fixed point (shares of its width and height: it stays covered) and the cover's colour (3,)."""

    box: Box
    anchor: tuple[float, float]
    colour: Image


def _given_boxes(boxes: Sequence[Box]) -> ImageOperator:
    def sample(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> BoxDraws:
        height, width = size
        x0, y0, x1, y1 = boxes[int(rng.integers(len(boxes)))]
        inside = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
        across, down = rng.random(2)
        return BoxDraws(inside, (across, down), rng.integers(0, 256, 3, dtype=np.uint8))

    return ImageOperator(sample, _apply_box_occlusion, _SHARE)


def _apply_box_occlusion(image: Image, draws: BoxDraws, params: Params) -> Image:
    """Cover ``share`` of one box's area, in its proportions, at least one pixel."""
    out = image.copy()
    (x0, y0, x1, y1), side = draws.box, np.sqrt(params["share"])
    left, right = _part(x0, x1, draws.anchor[0], side)
    top, bottom = _part(y0, y1, draws.anchor[1], side)
    out[top:bottom, left:right] = draws.colour
    return out


def _part(begin: int, end: int, anchor: float, share: float) -> tuple[int, int]:
    """``share`` of the pixels from ``begin`` to ``end``, at least one; more of them hold those that less hold."""
    length = end - begin
    first = begin + int(anchor * (1 - share) * length)
    return first, min(end, max(first + 1, begin + int(np.ceil((anchor * (1 - share) + share) * length))))


def _pixels(begin: float, end: float, length: int) -> tuple[int, int]:
    return round(max(begin, 0) * length), round(min(end, 1) * length)


def _sample_order(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> npt.NDArray[np.int64]:
    """Draw the order in which the cells of a 14 x 14 grid go missing."""
    return rng.permutation(_GRID * _GRID)


def _apply_patch_dropout(image: Image, order: npt.NDArray[np.int64], params: Params) -> Image:
    """Replace a ``share`` of the cells by mid-grey."""
    missing = np.zeros(_GRID * _GRID, dtype=bool)
    missing[order[: round(params["share"] * order.size)]] = True
    rows, columns = (np.arange(n) * _GRID // n for n in image.shape[:2])
    out = image.copy()
    out[missing.reshape(_GRID, _GRID)[rows[:, None], columns]] = MISSING_GREY
    return out


@dataclass(frozen=True, slots=True)
class WordDraws:
    """Which words, where (shares of the free space right and down) and in which colour, in writing order."""

    words: tuple[str, ...]
    places: npt.NDArray[np.float64]
    colours: Image


def _sample_words(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> WordDraws:
    most = max(params["words"] for params in levels)
    chosen = rng.choice(len(_WORDS), size=most, replace=most > len(_WORDS))
    return WordDraws(
        words=tuple(_WORDS[i] for i in chosen),
        places=rng.random((most, 2)),
        colours=rng.integers(0, 256, (most, 3), dtype=np.uint8),
    )


def _apply_text_overlay(image: Image, draws: WordDraws, params: Params) -> Image:
    """Write ``words`` words, each a sixth of the image high, over a strip of the opposite brightness."""
    out = image.copy()
    height, width, _ = image.shape
    for i in range(params["words"]):
        word, colour = draws.words[i], draws.colours[i].tolist()
        scale, text_width, text_height = _fit(word, width, height)
        left = int(draws.places[i, 0] * (width - text_width))
        top = int(draws.places[i, 1] * (height - text_height))
        backing = 255 if sum(colour) < 3 * 128 else 0
        out[top : top + text_height, left : left + text_width] = backing
        baseline = (left + text_width // 16, top + text_height * 3 // 4)
        thickness = max(1, round(text_height / 16))
        cv2.putText(out, word, baseline, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
    return out


def _fit(word: str, width: int, height: int) -> tuple[float, int, int]:
    """Give the font scale and the strip's width and height: a sixth of the image high, or as wide as it."""
    (unit_width, unit_height), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = min(height / 12 / unit_height, 0.85 * width / unit_width)
    return (
        scale,
        min(width, int(unit_width * scale * 1.15) + 1),
        min(height, int(unit_height * scale * 2) + 1),
    )


occlusion = ImageOperator(_sample_covers, _apply_occlusion, _SHARE)
box_occlusion = BoxOperator(_given_boxes, _SHARE)
image_patch_dropout = ImageOperator(_sample_order, _apply_patch_dropout, _SHARE)
text_overlay = ImageOperator(_sample_words, _apply_text_overlay, {"words": (0, 100)})
