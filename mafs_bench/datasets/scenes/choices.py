"""Two multiple-choice questions per scene, from its ground truth: every wrong option is false."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mafs_bench.datasets.scenes.wording import Dice
from mafs_bench.datasets.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    POSITIONS,
    SHAPES,
    TEXTURES,
    Scene,
    draws,
)
from mafs_bench.types import Choice

T = TypeVar("T")
OPTIONS = 4
PER_SCENE = 2
_DRAWS = 16


@dataclass(frozen=True, slots=True)
class _Asked:
    """values: what is possible, of which ``right`` alone is true."""

    text: str
    category: str
    values: Sequence[str]
    right: int


def write_choices(scenes: Sequence[Scene], split: str) -> list[tuple[Choice, ...]]:
    """``PER_SCENE`` questions per scene, ``OPTIONS`` options each, in an order that is drawn."""
    table = draws(f"choices/{split}", len(scenes) * PER_SCENE * _DRAWS).reshape(
        len(scenes), PER_SCENE, _DRAWS
    )
    return [
        tuple(
            _choice(scene, f"{split}-{index}-choice-{kind}", kind, Dice(row)) for kind, row in enumerate(rows)
        )
        for index, (scene, rows) in enumerate(zip(scenes, table.tolist(), strict=True))
    ]


def _choice(scene: Scene, name: str, kind: int, dice: Dice) -> Choice:
    kinds = _KINDS[kind]
    asked = kinds[dice.below(len(kinds))](scene, dice)
    wrong = [value for position, value in enumerate(asked.values) if position != asked.right]
    options = [asked.values[asked.right], *_drawn(wrong, OPTIONS - 1, dice)]
    order = _drawn(range(OPTIONS), OPTIONS, dice)
    return Choice(name, asked.text, tuple(options[i] for i in order), order.index(0), asked.category)


def _drawn(items: Sequence[T], n: int, dice: Dice) -> list[T]:
    left = list(items)
    return [left.pop(dice.below(len(left))) for _ in range(n)]


def _colour(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    return _Asked(f"What color {_be(group)}?", "color", COLOURS, group[1])


def _shape(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    return _Asked(f"Which shape is at the {POSITIONS[group[5]]}?", "shape", SHAPES, group[0])


def _place(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    return _Asked(f"Where {_be(group)}?", "position", POSITIONS, group[5])


def _count(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    return _Asked(f"How many {COLOURS[group[1]]} objects are there?", "count", COUNTS, group[4])


def _texture(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    objects = "object" if group[4] == 0 else "objects"
    return _Asked(f"What pattern is on the {COLOURS[group[1]]} {objects}?", "pattern", TEXTURES, group[3])


def _background(scene: Scene, dice: Dice) -> _Asked:
    return _Asked("What color is the background?", "background", BACKGROUNDS, scene.background)


def _be(group: tuple[int, ...]) -> str:
    shape = SHAPES[group[0]]
    if group[4] == 0:
        return f"is the {shape}"
    return f"are the {shape}{'es' if shape.endswith('s') else 's'}"


_KINDS: tuple[tuple[Callable[[Scene, Dice], _Asked], ...], ...] = (
    (_colour, _shape, _place),
    (_count, _texture, _background),
)
