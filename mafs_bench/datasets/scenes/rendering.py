"""Render scenes to pixels in integer arithmetic only: the same bytes on every machine.

Shapes are drawn at twice the resolution and averaged. A group occupies a cell of 112 x 112 pixels, an object one of
its four slots of 56 x 56.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mafs_bench.datasets.scenes.world import Integers, Scene, draws, make_world, scenes_of
from mafs_bench.types import Image

SIDE = 224
DOMAINS = ("flat", "textured", "sketch", "night")
_CELL, _SLOT = SIDE // 2, SIDE // 4
_RADII = (15, 24)
_BOX = 56
"""Side in pixels of the patch in which one object is drawn."""

_COLOUR_VALUES = np.array(
    [
        (208, 36, 40),
        (240, 132, 20),
        (236, 206, 34),
        (40, 150, 62),
        (38, 82, 204),
        (126, 48, 160),
        (240, 128, 178),
        (28, 28, 32),
    ],
    dtype=np.int32,
)
_BACKGROUND_VALUES = np.array(
    [(170, 170, 172), (222, 204, 168), (172, 222, 196), (200, 188, 232), (248, 204, 180), (244, 244, 240)],
    dtype=np.int32,
)
_SLOT_ORDERS = ((0,), (0, 3), (0, 1, 2), (0, 1, 2, 3))
"""Slots used by one to four objects; a single object is centred in the cell."""

Plane = npt.NDArray[np.int32]
_DRAWS_A_SCENE = 64


@dataclass(frozen=True, slots=True)
class SceneImage:
    """Scene ``index`` of a split, rendered when loaded (an ``ImageSource``)."""

    split: str
    index: int
    domain: str = "flat"

    @property
    def name(self) -> str:
        """Identifies the scene in messages."""
        return f"scenes:{self.domain} {self.split} {self.index}"

    def load(self) -> Image:
        """Render the scene: uint8 RGB (224, 224, 3)."""
        return render(_split_scenes(self.split)[self.index], self.domain, jitter(self.split)[self.index])


@lru_cache(maxsize=4)
def _split_scenes(split: str) -> list[Scene]:
    return scenes_of(make_world(split))


@lru_cache(maxsize=4)
def jitter(split: str) -> Integers:
    """Random draws for what may differ between two scenes of equal content: int64 (n, 64) in [0, 2**32)."""
    n = len(make_world(split))
    return draws(f"jitter/{split}", n * _DRAWS_A_SCENE).reshape(n, _DRAWS_A_SCENE)


def render(scene: Scene, domain: str, noise: Integers) -> Image:
    """Render a scene in one of ``DOMAINS``; ``noise`` is its row of ``jitter``. Returns uint8 RGB (224, 224, 3)."""
    style = _STYLES[domain]
    canvas = style.background(scene)
    for number, group in enumerate(scene.groups):
        shade = int(noise[48 + number]) % 25 - 12
        for y, x in placements(scene, number, noise):
            patch = canvas[y : y + _BOX, x : x + _BOX]
            style.draw(patch, group[0], group[1], group[2], group[3], shade)
    lit = canvas * _light(scene.light) >> 8
    return style.finish(lit, scene, noise).clip(0, 255).astype(np.uint8)


def placements(scene: Scene, number: int, noise: Integers) -> list[tuple[int, int]]:
    """Upper left corners (y, x) of the patches of the objects in one group."""
    count, position = scene.groups[number][4] + 1, scene.groups[number][5]
    top, left = position // 2 * _CELL, position % 2 * _CELL
    if count == 1:
        corners = [(top + _SLOT // 2, left + _SLOT // 2)]
        reach = 20
    else:
        turn = int(noise[56 + number]) % 4
        slots = [(slot + turn) % 4 for slot in _SLOT_ORDERS[count - 1]]
        corners = [(top + slot // 2 * _SLOT, left + slot % 2 * _SLOT) for slot in slots]
        reach = 4
    moves = noise[12 * number : 12 * number + 2 * count] % (2 * reach + 1) - reach
    return [
        (min(max(y + int(dy), 0), SIDE - _BOX), min(max(x + int(dx), 0), SIDE - _BOX))
        for (y, x), (dy, dx) in zip(corners, moves.reshape(count, 2), strict=True)
    ]


def boxes(scene: Scene, noise: Integers) -> tuple[tuple[int, int, int, int], ...]:
    """The box around each group, (x0, y0, x1, y1) in pixels, the end exclusive."""
    found = []
    for number, group in enumerate(scene.groups):
        radius = _RADII[group[2]]
        middles = [(y + _BOX // 2, x + _BOX // 2) for y, x in placements(scene, number, noise)]
        ys, xs = [y for y, _ in middles], [x for _, x in middles]
        box = (min(xs) - radius, min(ys) - radius, max(xs) + radius, max(ys) + radius)
        found.append((max(box[0], 0), max(box[1], 0), min(box[2], SIDE), min(box[3], SIDE)))
    return tuple(found)


@lru_cache(maxsize=64)
def _coverage(shape: int, size: int) -> Plane:
    """How much of each pixel of a patch the shape covers, 0 to 4: int32 (56, 56, 1)."""
    radius = 2 * _RADII[size]
    axis = 2 * np.arange(2 * _BOX, dtype=np.int64) - 2 * _BOX + 1
    y, x = axis[:, None], axis[None, :]
    inside = _INSIDE[shape](x, y, 2 * radius)
    covered: Plane = inside.reshape(_BOX, 2, _BOX, 2).sum((1, 3), dtype=np.int32)
    return covered[..., None]


@lru_cache(maxsize=64)
def _outline(shape: int, size: int) -> Plane:
    """The outline of a shape, 0 or 4: the pixels that an erosion by two pixels removes."""
    full = _coverage(shape, size)[..., 0]
    worn: Plane = full
    for _ in range(2):
        edge = np.pad(worn, 1)
        worn = np.minimum.reduce([worn, edge[:-2, 1:-1], edge[2:, 1:-1], edge[1:-1, :-2], edge[1:-1, 2:]])
    rim: Plane = full - worn
    return rim[..., None]


@lru_cache(maxsize=16)
def _texture(texture: int) -> npt.NDArray[np.bool_]:
    """Where a texture shows its second colour: bool (56, 56, 1)."""
    y, x = np.indices((_BOX, _BOX))
    patterns = (
        np.zeros((_BOX, _BOX), dtype=bool),
        (x + y) % 12 < 5,
        (y % 10 - 5) ** 2 + ((x + y // 10 * 5) % 10 - 5) ** 2 < 8,
        (x // 7 + y // 7) % 2 == 1,
    )
    return patterns[texture][..., None]


def _polygon(*points: tuple[int, int]) -> Callable[[Integers, Integers, int], npt.NDArray[np.bool_]]:
    """A convex polygon by its corners in hundredths of the radius, clockwise on the screen."""

    def inside(x: Integers, y: Integers, r: int) -> npt.NDArray[np.bool_]:
        sides = zip(points, (*points[1:], points[0]), strict=True)
        met: npt.NDArray[np.bool_] = np.logical_and.reduce(
            [
                (x1 - x0) * (100 * y - y0 * r) - (y1 - y0) * (100 * x - x0 * r) >= 0
                for (x0, y0), (x1, y1) in sides
            ]
        )
        return met

    return inside


def _star(x: Integers, y: Integers, r: int) -> npt.NDArray[np.bool_]:
    """A five-pointed star: inside at least four of the five lines that join every other point."""
    tips = [(0, -100), (95, -31), (59, 81), (-59, 81), (-95, -31)]
    inside = [
        (tips[(k + 2) % 5][0] - tips[k][0]) * (100 * y - tips[k][1] * r)
        - (tips[(k + 2) % 5][1] - tips[k][1]) * (100 * x - tips[k][0] * r)
        >= 0
        for k in range(5)
    ]
    return np.sum(inside, axis=0) >= 4  # type: ignore[no-any-return]


_INSIDE: tuple[Callable[[Integers, Integers, int], npt.NDArray[np.bool_]], ...] = (
    lambda x, y, r: x * x + y * y <= r * r,
    _polygon((-84, -84), (84, -84), (84, 84), (-84, 84)),
    _polygon((0, -96), (98, 80), (-98, 80)),
    _star,
    _polygon((0, -100), (72, 0), (0, 100), (-72, 0)),
    lambda x, y, r: ((3 * abs(x) <= r) & (abs(y) <= r)) | ((3 * abs(y) <= r) & (abs(x) <= r)),
    lambda x, y, r: (x * x + y * y <= r * r) & (9 * (x * x + y * y) >= 2 * r * r),
    _polygon((-50, -87), (50, -87), (100, 0), (50, 87), (-50, 87), (-100, 0)),
)


def _blend(patch: Plane, colour: Plane, coverage: Plane) -> None:
    patch += (colour - patch) * coverage >> 2


@lru_cache(maxsize=64)
def _ground(background: int, pattern: int) -> Plane:
    """Background colour with its pattern, which is a fifth darker: int32 (224, 224, 3)."""
    y, x = np.indices((SIDE, SIDE))
    patterns = (
        np.zeros((SIDE, SIDE), dtype=bool),
        (x % 28 < 3) | (y % 28 < 3),
        y % 16 < 5,
        ((x // 3 * 7 + y // 3 * 3) % 11 < 2) & ((x // 3 * 5 - y // 3 * 4) % 13 < 3),
    )
    base = np.broadcast_to(_BACKGROUND_VALUES[background], (SIDE, SIDE, 3))
    return np.where(patterns[pattern][..., None], base * 3 // 4, base).astype(np.int32)


@lru_cache(maxsize=8)
def _light(light: int) -> Plane:
    """Brightness over the image in 256ths: int32, (224, 224, 1) or (1, 1, 1) for even light."""
    ramp = (320 - np.arange(SIDE, dtype=np.int32) * 200 // (SIDE - 1))[:, None]
    ramps = (np.full((1, 1), 256, np.int32), ramp.T, ramp.T[:, ::-1], ramp, ramp[::-1])
    return ramps[light][..., None]


def _grain(noise: Integers, cell: int, depth: int) -> Plane:
    """Noise in squares of ``cell`` pixels, ±``depth``: int32 (224, 224, 1), from a separate stream per scene."""
    side = SIDE // cell
    raw = np.random.Philox(key=np.uint64(int(noise[60]))).random_raw(side * side // 8)
    values = raw.astype("<u8", copy=False).view(np.uint8)
    grain = (values.reshape(side, side).astype(np.int32) * (2 * depth + 1) >> 8) - depth
    return np.repeat(np.repeat(grain, cell, 0), cell, 1)[..., None]


def _draw_filled(patch: Plane, shape: int, colour: int, size: int, texture: int, shade: int) -> None:
    first = _COLOUR_VALUES[colour] + shade
    second = (first + 2 * 255) // 3
    _blend(patch, np.where(_texture(texture), second, first), _coverage(shape, size))


def _draw_stroked(patch: Plane, shape: int, colour: int, size: int, texture: int, shade: int) -> None:
    """Draw like a pencil: an outline, a light tint, and the texture in strokes."""
    stroke = _COLOUR_VALUES[colour] + shade
    tint = (stroke + 3 * 250) // 4
    _blend(patch, np.where(_texture(texture), stroke, tint), _coverage(shape, size))
    _blend(patch, stroke, _outline(shape, size))


def _plain_ground(scene: Scene) -> Plane:
    return _ground(scene.background, scene.pattern).copy()


def _paper_ground(scene: Scene) -> Plane:
    """The mean of the coloured background and paper."""
    return (_ground(scene.background, scene.pattern) + 252) // 2


def _leave(lit: Plane, scene: Scene, noise: Integers) -> Plane:
    return lit


def _roughen(lit: Plane, scene: Scene, noise: Integers) -> Plane:
    """Add coarse stone below everything, and a weave over it."""
    return (lit * (256 + _grain(noise, 4, 56)) >> 8) + _weave()


@lru_cache(maxsize=1)
def _weave() -> Plane:
    y, x = np.indices((SIDE, SIDE), dtype=np.int32)
    return ((x // 2 + y // 2) % 2 * 16 - 8)[..., None]


def _smudge(lit: Plane, scene: Scene, noise: Integers) -> Plane:
    return lit + _grain(noise, 2, 14)


def _darken(lit: Plane, scene: Scene, noise: Integers) -> Plane:
    """Reduce the light to a third, bluish, with the noise of a long exposure."""
    return (lit * np.array([72, 80, 116], dtype=np.int32) >> 8) + _grain(noise, 2, 6) + 6


@dataclass(frozen=True, slots=True)
class _Style:
    background: Callable[[Scene], Plane]
    draw: Callable[[Plane, int, int, int, int, int], None]
    finish: Callable[[Plane, Scene, Integers], Plane]


_STYLES = {
    "flat": _Style(_plain_ground, _draw_filled, _leave),
    "textured": _Style(_plain_ground, _draw_filled, _roughen),
    "sketch": _Style(_paper_ground, _draw_stroked, _smudge),
    "night": _Style(_plain_ground, _draw_filled, _darken),
}
