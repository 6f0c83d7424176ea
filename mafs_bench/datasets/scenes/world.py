"""The contents of all scenes of a split, drawn at once.

A scene has one to four groups, each in its own quarter of the image; no two groups of a scene share shape or
colour, so that "the stars" and "the red ones" are unambiguous. All draws are integers: the raw output of Philox,
which numpy keeps stable over versions and platforms.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

GENERATOR_VERSION = 1
"""Increased when any pixel, caption or answer changes."""

SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross", "ring", "hexagon")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped", "dotted", "checkered")
COUNTS = ("1", "2", "3", "4")
POSITIONS = ("top left", "top right", "bottom left", "bottom right")
BACKGROUNDS = ("grey", "beige", "mint", "lavender", "peach", "white")
PATTERNS = ("plain", "gridded", "lined", "speckled")
LIGHTS = ("even", "left", "right", "above", "below")

GROUP_FIELDS = {
    "shape": SHAPES,
    "colour": COLOURS,
    "size": SIZES,
    "texture": TEXTURES,
    "count": COUNTS,
    "position": POSITIONS,
}
SETTING_FIELDS = {"background": BACKGROUNDS, "pattern": PATTERNS, "light": LIGHTS}
MAX_GROUPS = 4
SPLIT_SIZES = {"train": 20_000, "val": 1_000, "test": 1_000}

_SPLIT_OF_CLASS = ("test", "val", "train", "train", "train", "train", "train", "train")
_GROUPS_OF_DRAW = np.array([1] * 3 + [2] * 6 + [3] * 6 + [4] * 5)
_COLUMNS = 36

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """All scenes of a split.

    groups: int64 (n, 4, 6), values of ``GROUP_FIELDS`` in that order, indices into their names.
    present: bool (n, 4); the groups that exist come first.
    settings: int64 (n, 3), values of ``SETTING_FIELDS``.
    """

    groups: Integers
    present: npt.NDArray[np.bool_]
    settings: Integers

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene as plain integers: ``groups`` are tuples in the order of ``GROUP_FIELDS``."""

    groups: tuple[tuple[int, ...], ...]
    background: int
    pattern: int
    light: int


@lru_cache(maxsize=4)
def make_world(split: str) -> World:
    """Draw every scene of a split. The content of a scene determines its split, so the splits are disjoint."""
    wanted = SPLIT_SIZES[split]
    share = _SPLIT_OF_CLASS.count(split) / len(_SPLIT_OF_CLASS)
    rows = int(1.25 * wanted / share) + 1000
    world = _arrange(draws(f"world/{split}", rows * _COLUMNS).reshape(rows, _COLUMNS))
    kept = np.flatnonzero(np.array(_SPLIT_OF_CLASS)[_content_class(world)] == split)[:wanted]
    return World(world.groups[kept], world.present[kept], world.settings[kept])


def scenes_of(world: World, limit: int | None = None) -> list[Scene]:
    """The scenes as plain integers, in order."""
    counts = world.present[:limit].sum(1).tolist()
    groups, settings = world.groups[:limit].tolist(), world.settings[:limit].tolist()
    return [
        Scene(tuple(map(tuple, rows[:count])), *setting)
        for rows, count, setting in zip(groups, counts, settings, strict=True)
    ]


def draws(stream: str, n: int) -> Integers:
    """``n`` integers from a named stream, uniform in [0, 2**32); a prefix does not depend on ``n``."""
    identity = hashlib.shake_256(f"scenes/{GENERATOR_VERSION}/{stream}".encode()).digest(16)
    philox = np.random.Philox(key=np.frombuffer(identity, dtype="<u8"))
    return (philox.random_raw(n) >> np.uint64(32)).astype(np.int64)


def _arrange(table: Integers) -> World:
    """Turn a row of ``_COLUMNS`` draws into a scene."""
    n = len(table)
    distinct = [
        np.argsort(table[:, start : start + size], axis=1, kind="stable")[:, :MAX_GROUPS]
        for start, size in ((1, 8), (9, 8), (17, 4))
    ]
    shape, colour, position = distinct
    size, texture, count = table[:, 21:25] % 2, table[:, 25:29] % 4, table[:, 29:33] % 4
    groups = np.stack([shape, colour, size, texture, count, position], axis=2)
    number = _GROUPS_OF_DRAW[table[:, 0] % len(_GROUPS_OF_DRAW)]
    present = np.arange(MAX_GROUPS) < number[:, None]
    settings = np.stack([table[:, 33] % 6, table[:, 34] % 4, table[:, 35] % 5], axis=1)
    return World(groups.reshape(n, MAX_GROUPS, len(GROUP_FIELDS)), present, settings)


def _content_class(world: World) -> Integers:
    """A class in 0..7 that depends on the content only, not on the order of the groups."""
    sizes = [len(names) for names in GROUP_FIELDS.values()]
    number = np.zeros(world.present.shape, dtype=np.uint64)
    for field, size in enumerate(sizes):
        number = number * np.uint64(size) + world.groups[:, :, field].astype(np.uint64)
    mixed = _mix(number + np.uint64(1)) * world.present.astype(np.uint64)
    setting = np.zeros(len(world), dtype=np.uint64)
    for field, names in enumerate(SETTING_FIELDS.values()):
        setting = setting * np.uint64(len(names)) + world.settings[:, field].astype(np.uint64)
    return (_mix(mixed.sum(1, dtype=np.uint64) + setting) >> np.uint64(61)).astype(np.int64)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele et al., OOPSLA 2014): each input bit flips half of the output bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
