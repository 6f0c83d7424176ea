"""Corruptions that web images do not hold: mosaic, glitch, vertical lines, shapes, stickers, checkerboard, upsampling.

After the descriptions in LAION-C (Li et al., arXiv 2506.16950) and VLM-RobustBench (arXiv 2603.06148); constants and
drawings are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import size_of
from mafs_bench.corruptions.exact.draws import below, grid_size, one_below, permutation, pixels
from mafs_bench.corruptions.exact.filters import compiled
from mafs_bench.corruptions.exact.frame import repeat, resample
from mafs_bench.corruptions.exact.glyphs import SHAPES, enlarge_mask, shape_mask
from mafs_bench.corruptions.exact.tables import fixed
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_Longs = npt.NDArray[np.int64]
_TILE = 32
_TILES = 16
_SPACE = 40
"""How many figures are drawn for one image; a severity shows the first of them."""
_BANDS = 24


def _sample_cells(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Longs:
    """A number per cell of the finest grid that a level asks for, (cells,)."""
    rows, columns = _cells(size, max(params["cells"] for params in levels))
    return below(rng, 1 << 20, rows * columns)


def _cells(size: _Size, across: int) -> _Size:
    """Rows and columns of a grid with ``across`` cells along the shorter side."""
    rows, columns = grid_size(size)
    shorter = min(rows, columns)
    return max(1, rows * across // shorter), max(1, columns * across // shorter)


def _apply_mosaic(image: Image, numbers: _Longs, params: Params) -> Image:
    """Rebuild the image from small figures, each shaded like the cell that it replaces."""
    size = size_of(image)
    rows, columns = _cells(size, params["cells"])
    colours = resample(image, (rows, columns), "area").astype(np.int32)
    chosen = (numbers[: rows * columns] % _TILES).reshape(rows, columns)
    row = np.arange(size[0]) * rows * _TILE // size[0]
    column = np.arange(size[1]) * columns * _TILE // size[1]
    out = np.empty_like(image)
    _shade(_tiles(), chosen, colours, row, column, out)
    return out


@compiled
def _shade(tiles, chosen, colours, rows, columns, out):  # type: ignore[no-untyped-def]
    """Move each tile's mean to its cell's colour: tiles int32 (n, 32, 32, 3), centred on zero."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            i, j = rows[y] // 32, columns[x] // 32
            for c in range(3):
                level = colours[i, j, c] + tiles[chosen[i, j], rows[y] % 32, columns[x] % 32, c]
                out[y, x, c] = min(max(level, 0), 255)


@lru_cache(maxsize=1)
def _tiles() -> npt.NDArray[np.int32]:
    """Small figures on a shaded ground, centred on zero, int32 (16, 32, 32, 3)."""
    tiles = np.empty((_TILES, _TILE, _TILE, 3), dtype=np.int32)
    ramp = np.arange(_TILE, dtype=np.int32)
    for number in range(_TILES):
        ground = (ramp[:, None] * (number % 5 - 2) + ramp * (number % 3 - 1)) // 2
        figure = np.zeros((_TILE, _TILE), dtype=bool)
        figure[4:28, 4:28] = shape_mask(number, 24)
        for channel in range(3):
            tone = 50 - 35 * ((number + channel) % 4)
            tiles[number, :, :, channel] = ground + np.where(figure, tone, 0)
    means = (tiles.sum(axis=(1, 2)) // (_TILE * _TILE)).astype(np.int32)
    return tiles - means[:, None, None, :]


@dataclass(frozen=True, slots=True)
class GlitchDraws:
    """Bands of an image: where each ends (2**-16 of the height), shifts (-2**15 to 2**15) and shifts by channel."""

    ends: _Longs
    shifts: _Longs
    channels: _Longs
    order: _Longs


def _sample_glitch(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> GlitchDraws:
    return GlitchDraws(
        ends=np.sort(below(rng, 1 << 16, _BANDS - 1)),
        shifts=below(rng, 1 << 16, _BANDS) - (1 << 15),
        channels=below(rng, 1 << 16, 3 * _BANDS).reshape(_BANDS, 3) - (1 << 15),
        order=permutation(rng, _BANDS),
    )


def _apply_glitch(image: Image, draws: GlitchDraws, params: Params) -> Image:
    """Shift bands of rows sideways, and their channels apart, as a broken transfer does."""
    height, width = size_of(image)
    reach, split = (fixed(params[key], 16) * min(height, width) >> 16 for key in ("shift", "split"))
    chosen = np.zeros(_BANDS, dtype=bool)
    chosen[draws.order[: round(params["share"] * _BANDS)]] = True
    edges = [0, *(draws.ends * height >> 16).tolist(), height]
    out = image.copy()
    for band in range(_BANDS):
        if not chosen[band]:
            continue
        rows = slice(edges[band], edges[band + 1])
        whole = int(draws.shifts[band]) * reach >> 15
        for channel in range(3):
            move = whole + (int(draws.channels[band, channel]) * split >> 15)
            out[rows, :, channel] = np.roll(image[rows, :, channel], move, axis=1)
    return out


def _sample_lines(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> tuple[_Longs, Image]:
    """The order in which the columns of the frame are covered, and a colour for each, uint8 (columns, 3)."""
    columns = grid_size(size)[1]
    return permutation(rng, columns), below(rng, 256, 3 * columns).astype(np.uint8).reshape(columns, 3)


def _apply_vertical_lines(image: Image, draws: tuple[_Longs, Image], params: Params) -> Image:
    """Cover a ``share`` of the columns by lines of one colour each."""
    order, colours = draws
    covered = np.zeros(order.size, dtype=bool)
    covered[order[: fixed(params["share"], 16) * order.size >> 16]] = True
    column = np.arange(image.shape[1]) * order.size // image.shape[1]
    return np.where(covered[column][:, None], colours[column], image)


@dataclass(frozen=True, slots=True)
class FigureDraws:
    """Figures: kinds (n,), places (n, 2) in 2**-16 of the free space, sizes (n,) in 2**-16 of their range, colours."""

    kinds: _Longs
    places: _Longs
    sizes: _Longs
    colours: Image


def _sample_figures(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> FigureDraws:
    return FigureDraws(
        kinds=below(rng, SHAPES, _SPACE),
        places=below(rng, 1 << 16, 2 * _SPACE).reshape(_SPACE, 2),
        sizes=below(rng, 1 << 16, _SPACE),
        colours=below(rng, 256, 6 * _SPACE).astype(np.uint8).reshape(_SPACE, 2, 3),
    )


def _boxes(
    image: Image, draws: FigureDraws, count: int, smallest: int, largest: int
) -> list[tuple[int, int, int]]:
    """Top, left and side of the first ``count`` figures; sides are given in 1/256 of the shorter side."""
    height, width = size_of(image)
    found = []
    for number in range(count):
        length = smallest + (int(draws.sizes[number]) * (largest - smallest) >> 16)
        side = max(4, round(pixels(length, (height, width))))
        right, down = draws.places[number].tolist()
        found.append((down * (height - side) >> 16, right * (width - side) >> 16, side))
    return found


def _apply_geometric_shapes(image: Image, draws: FigureDraws, params: Params) -> Image:
    """Blend plain figures over the image, two thirds of each opaque."""
    out = image.copy()
    for number, (top, left, side) in enumerate(_boxes(image, draws, params["count"], 40, 110)):
        mask = shape_mask(int(draws.kinds[number]), side)
        part = out[top : top + side, left : left + side]
        colour = draws.colours[number, 0].astype(np.uint16)
        part[mask] = ((part[mask].astype(np.uint16) + 2 * colour) // 3).astype(np.uint8)
    return out


def _apply_stickers(image: Image, draws: FigureDraws, params: Params) -> Image:
    """Put opaque stickers on the image: a figure in one colour on a disc of another, with a white rim."""
    out = image.copy()
    for number, (top, left, side) in enumerate(_boxes(image, draws, params["count"], 36, 72)):
        part = out[top : top + side, left : left + side]
        inner = max(2, side * 9 // 10)
        margin = (side - inner) // 2
        part[shape_mask(0, side)] = 255
        ground = part[margin : margin + inner, margin : margin + inner]
        ground[shape_mask(0, inner)] = draws.colours[number, 0]
        figure = enlarge_mask(
            shape_mask(1 + int(draws.kinds[number]) % (SHAPES - 1), 16), (inner * 6 // 10,) * 2
        )
        edge = (inner - figure.shape[0]) // 2
        ground[edge : edge + figure.shape[0], edge : edge + figure.shape[1]][figure] = draws.colours[
            number, 1
        ]
    return out


def _sample_parity(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> int:
    """Which half of the cells is brightened."""
    return one_below(rng, 2)


def _apply_checkerboard(image: Image, parity: int, params: Params) -> Image:
    """Brighten one half of the cells of a checkerboard and darken the other, eight along the shorter side."""
    rows, columns = _cells(size_of(image), 8)
    row, column = (np.arange(n) * k // n for n, k in zip(image.shape[:2], (rows, columns), strict=True))
    sign = 1 - 2 * ((row[:, None] + column + parity) % 2)
    change = fixed(255 * params["contrast"], 0)
    return np.clip(image.astype(np.int16) + (sign * change).astype(np.int16)[..., None], 0, 255).astype(
        np.uint8
    )


def _apply_upsample(image: Image, kind: int, params: Params) -> Image:
    """Shrink by ``factor`` and enlarge again by nearest neighbour, bilinear or Lanczos, as drawn."""
    height, width = size_of(image)
    rows, columns = grid_size((height, width))
    small = (max(2, round(rows / params["factor"])), max(2, round(columns / params["factor"])))
    shrunk = resample(image, small, "bilinear")
    if kind == 0:
        return repeat(shrunk, (height, width))
    return resample(shrunk, (height, width), "bilinear" if kind == 1 else "lanczos")


def _sample_kind(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> int:
    """Which of three ways to enlarge."""
    return one_below(rng, 3)


mosaic = ImageOperator(_sample_cells, _apply_mosaic, {"cells": (2, 128)})
glitch = ImageOperator(
    _sample_glitch, _apply_glitch, {"share": (0.0, 1.0), "shift": (0.0, 1.0), "split": (0.0, 1.0)}
)
vertical_lines = ImageOperator(_sample_lines, _apply_vertical_lines, {"share": (0.0, 1.0)})
geometric_shapes = ImageOperator(_sample_figures, _apply_geometric_shapes, {"count": (1, _SPACE)})
stickers = ImageOperator(_sample_figures, _apply_stickers, {"count": (1, _SPACE)})
luminance_checkerboard = ImageOperator(_sample_parity, _apply_checkerboard, {"contrast": (0.0, 1.0)})
upsample = ImageOperator(_sample_kind, _apply_upsample, {"factor": (1.0, 32.0)})
