"""Five questions per scene, each with ten simulated human answers, some of them wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mafs_bench.datasets.scenes.wording import Dice
from mafs_bench.datasets.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    LIGHTS,
    POSITIONS,
    SHAPES,
    TEXTURES,
    Scene,
    draws,
)
from mafs_bench.types import Question

ANNOTATORS = 10
DRAWS_A_QUESTION = 4 + 2 * ANNOTATORS
PER_SCENE = 5

ANSWERS = ("yes", "no", "0", *COUNTS, *COLOURS, *SHAPES, *TEXTURES, *POSITIONS, *BACKGROUNDS, *LIGHTS[1:])
"""All possible answers, without duplicates."""

_CONFUSED = {
    "yes": ("no",), "no": ("yes",),
    "0": ("1",), "1": ("2",), "2": ("3", "1"), "3": ("4", "2"), "4": ("3",),
    "red": ("orange", "pink"), "orange": ("red", "yellow"), "yellow": ("orange",), "green": ("blue",),
    "blue": ("purple", "green"), "purple": ("blue", "pink"), "pink": ("purple", "red"), "black": ("blue",),
    "circle": ("ring", "hexagon"), "square": ("diamond",), "triangle": ("star",), "star": ("cross",),
    "diamond": ("square",), "cross": ("star",), "ring": ("circle",), "hexagon": ("circle",),
    "plain": ("striped",), "striped": ("checkered",), "dotted": ("checkered",), "checkered": ("dotted", "striped"),
    "top left": ("bottom left", "top right"), "top right": ("top left", "bottom right"),
    "bottom left": ("top left", "bottom right"), "bottom right": ("bottom left", "top right"),
    "grey": ("white", "beige"), "beige": ("peach", "grey"), "mint": ("white",), "lavender": ("grey",),
    "peach": ("beige",), "white": ("grey", "beige"),
    "left": ("right",), "right": ("left",), "above": ("below",), "below": ("above",),
}  # fmt: skip
"""What a value is mistaken for, most frequent first."""


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    answer: str
    question_type: str
    answer_type: str


def write_questions(scenes: Sequence[Scene], split: str) -> list[tuple[Question, ...]]:
    """``PER_SCENE`` questions per scene: two yes/no, one number, two others."""
    n = len(scenes) * PER_SCENE
    table = draws(f"questions/{split}", n * DRAWS_A_QUESTION).reshape(
        len(scenes), PER_SCENE, DRAWS_A_QUESTION
    )
    return [
        tuple(_question(scene, split, index, kind, row) for kind, row in enumerate(rows))
        for index, (scene, rows) in enumerate(zip(scenes, table.tolist(), strict=True))
    ]


def _question(scene: Scene, split: str, index: int, kind: int, row: Sequence[int]) -> Question:
    dice = Dice(row)
    options = _KINDS[kind]
    asked = options[dice.below(len(options))](scene, dice)
    answers = tuple(_annotate(asked.answer, Dice(row[4 + 2 * k :])) for k in range(ANNOTATORS))
    return Question(f"{split}-{index}-{kind}", asked.text, answers, asked.question_type, asked.answer_type)


def _annotate(truth: str, dice: Dice) -> str:
    """One simulated answer: right in 88 of 100 cases, otherwise something easily confused with it."""
    if dice.happens(88):
        return truth
    confused = _CONFUSED[truth]
    return confused[dice.below(len(confused))]


def _presence(scene: Scene, dice: Dice) -> _Asked:
    """Ask for a shape in a colour: right in half of the cases, otherwise the colour of another group or of none."""
    group = scene.groups[dice.below(len(scene.groups))]
    there = dice.happens(50)
    colour = group[1] if there else (group[1] + 1 + dice.below(len(COLOURS) - 1)) % len(COLOURS)
    text = f"Is there {_article(COLOURS[colour])} {COLOURS[colour]} {SHAPES[group[0]]}?"
    return _Asked(text, "yes" if there else "no", "is there a", "yes/no")


def _texture_question(scene: Scene, dice: Dice) -> _Asked:
    """Ask whether a shape has a texture: the right one in half of the cases."""
    group = scene.groups[dice.below(len(scene.groups))]
    right = dice.happens(50)
    texture = group[3] if right else (group[3] + 1 + dice.below(len(TEXTURES) - 1)) % len(TEXTURES)
    verb, noun = _agree(group)
    text = f"{verb.capitalize()} the {noun} {TEXTURES[texture]}?"
    return _Asked(text, "yes" if right else "no", f"{verb} the", "yes/no")


def _number(scene: Scene, dice: Dice) -> _Asked:
    """Count a shape or a colour; one in eight questions is about an absent shape."""
    group = scene.groups[dice.below(len(scene.groups))]
    kind = dice.below(8)
    absent = set(range(len(SHAPES))) - {other[0] for other in scene.groups}
    if kind == 0:
        return _Asked(f"How many {_plural(min(absent))} are there?", "0", "how many", "number")
    noun = f"{COLOURS[group[1]]} objects" if kind < 4 else _plural(group[0])
    return _Asked(f"How many {noun} are there?", COUNTS[group[4]], "how many", "number")


def _colour(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    verb, noun = _agree(group)
    return _Asked(f"What color {verb} the {noun}?", COLOURS[group[1]], f"what color {verb} the", "other")


def _shape(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    verb, objects = ("is", "object") if group[4] == 0 else ("are", "objects")
    text = f"What shape {verb} the {objects} at the {POSITIONS[group[5]]}?"
    return _Asked(text, SHAPES[group[0]], f"what shape {verb} the", "other")


def _texture(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    text = f"What pattern is on the {COLOURS[group[1]]} {'object' if group[4] == 0 else 'objects'}?"
    return _Asked(text, TEXTURES[group[3]], "what pattern is", "other")


def _place(scene: Scene, dice: Dice) -> _Asked:
    group = scene.groups[dice.below(len(scene.groups))]
    verb, noun = _agree(group)
    return _Asked(f"Where {verb} the {noun}?", POSITIONS[group[5]], f"where {verb} the", "other")


def _background(scene: Scene, dice: Dice) -> _Asked:
    return _Asked(
        "What color is the background?", BACKGROUNDS[scene.background], "what color is the", "other"
    )


def _agree(group: tuple[int, ...]) -> tuple[str, str]:
    return ("is", SHAPES[group[0]]) if group[4] == 0 else ("are", _plural(group[0]))


def _plural(shape: int) -> str:
    return SHAPES[shape] + ("es" if SHAPES[shape].endswith("s") else "s")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


_KINDS: tuple[tuple[Callable[[Scene, Dice], _Asked], ...], ...] = (
    (_presence,),
    (_texture_question,),
    (_number,),
    (_colour, _shape),
    (_place, _texture, _background),
)
