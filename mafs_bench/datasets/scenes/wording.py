"""Phrases for the contents of a scene: noun phrases, places, backgrounds, light.

Every phrase comes with the bits of ``truth`` that it allows, so that a text and its truth are generated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mafs_bench.datasets.scenes.truth import ABOVE, ANYTHING, BELOW, LEFT_OF, RIGHT_OF, only

SHAPE_NOUNS = (
    (("circle", "circles"), ("disc", "discs")),
    (("square", "squares"), ("box", "boxes")),
    (("triangle", "triangles"),),
    (("star", "stars"),),
    (("diamond", "diamonds"), ("rhombus", "rhombuses")),
    (("cross", "crosses"), ("plus sign", "plus signs")),
    (("ring", "rings"), ("hoop", "hoops")),
    (("hexagon", "hexagons"),),
)
ANY_NOUNS = (("thing", "things"), ("object", "objects"), ("figure", "figures"))
COLOUR_WORDS = (
    ("red", "scarlet"),
    ("orange",),
    ("yellow", "golden"),
    ("green",),
    ("blue",),
    ("purple", "violet"),
    ("pink",),
    ("black", "dark"),
)
SIZE_WORDS = (("small", "little", "tiny"), ("large", "big", "huge"))
TEXTURE_WORDS = (("plain", "solid"), ("striped",), ("dotted", "spotted"), ("checkered", "checked"))
TEXTURE_TAILS = (
    ("without any pattern",),
    ("with stripes", "covered in stripes"),
    ("with dots", "covered in spots"),
    ("with a checkerboard pattern",),
)
COUNT_WORDS = (("one", "a single"), ("two", "a pair of"), ("three", "a trio of"), ("four", "a group of four"))
PLACES = (
    ("at the top left", "in the upper left corner"),
    ("at the top right", "in the upper right corner"),
    ("at the bottom left", "in the lower left corner"),
    ("at the bottom right", "in the lower right corner"),
)
ROWS = (("in the upper half", "near the top"), ("in the lower half", "near the bottom"))
COLUMNS = (("on the left", "on the left side"), ("on the right", "on the right side"))
RELATIONS = {
    LEFT_OF: ("to the left of", "left of"),
    RIGHT_OF: ("to the right of", "right of"),
    ABOVE: ("above", "higher than"),
    BELOW: ("below", "lower than"),
}
BACKGROUND_WORDS = (("grey",), ("beige", "sandy"), ("mint",), ("lavender", "lilac"), ("peach",), ("white",))
PATTERN_WORDS = (("plain", "smooth"), ("gridded", "tiled"), ("lined", "ruled"), ("speckled", "flecked"))
GROUND_NOUNS = ("background", "wall", "backdrop")
LIGHT_NOUNS = (
    ("even light", "flat light"),
    ("light from the left",),
    ("light from the right",),
    ("light from above",),
    ("light from below",),
)


class Dice:
    """The random draws of one caption, consumed in order."""

    __slots__ = ("_values",)

    def __init__(self, values: Sequence[int]) -> None:
        self._values = iter(values)

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return next(self._values) % n

    def happens(self, percent: int) -> bool:
        """True with that probability in per cent."""
        return self.below(100) < percent

    def pick(self, options: Sequence[str]) -> str:
        """One of the options."""
        return options[self.below(len(options))]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase and the bits it allows. ``plural``: whether its verb is plural."""

    text: str
    allowed: int = ANYTHING
    plural: bool = False

    def verb(self, singular: str, plural: str) -> str:
        """The phrase with the form of the verb that agrees."""
        return f"{self.text} {plural if self.plural else singular}"


@dataclass(frozen=True, slots=True)
class Detail:
    """How likely each fact about a group is mentioned, in per cent."""

    size: int
    texture: int
    count: int


BRIEF, FULL = Detail(25, 30, 55), Detail(55, 70, 90)


def noun_phrase(group: Sequence[int], detail: Detail, dice: Dice) -> Phrase:
    """Describe a group: always by colour, shape or both; by other facts with the probabilities in ``detail``."""
    shape, colour, size, texture, count, _ = group
    plural = count > 0
    leaves_out = dice.below(10)
    tells_shape, tells_colour = leaves_out > 0, leaves_out not in (1, 2)
    nouns = SHAPE_NOUNS[shape] if tells_shape else ANY_NOUNS
    words = [nouns[dice.below(len(nouns))][plural]]
    allowed = only("shape", shape) if tells_shape else ANYTHING
    if tells_colour:
        words.insert(0, dice.pick(COLOUR_WORDS[colour]))
        allowed &= only("colour", colour)
    if dice.happens(detail.texture):
        allowed &= only("texture", texture)
        if dice.happens(50):
            words.append(dice.pick(TEXTURE_TAILS[texture]))
        else:
            words.insert(0, dice.pick(TEXTURE_WORDS[texture]))
    if dice.happens(detail.size):
        words.insert(0, dice.pick(SIZE_WORDS[size]))
        allowed &= only("size", size)
    number, counted = _quantifier(count, words[0], detail, dice)
    return Phrase(" ".join([number, *words]), allowed & counted, plural)


def _quantifier(count: int, next_word: str, detail: Detail, dice: Dice) -> tuple[str, int]:
    """A phrase for a count (0 is one object), exact or not, and the bits it allows."""
    if dice.happens(detail.count):
        if count == 0 and dice.happens(70):
            return ("an" if next_word[0] in "aeiou" else "a"), only("count", 0)
        return dice.pick(COUNT_WORDS[count]), only("count", count)
    if count == 0:
        return ("an" if next_word[0] in "aeiou" else "a"), only("count", 0)
    return dice.pick(("some", "a few")), only("count", 1, 2, 3)


def place(position: int, dice: Dice) -> Phrase:
    """Describe where a group is: its corner, or only its half."""
    row, column = divmod(position, 2)
    kind = dice.below(4)
    if kind == 0:
        return Phrase(dice.pick(ROWS[row]), only("position", 2 * row, 2 * row + 1))
    if kind == 1:
        return Phrase(dice.pick(COLUMNS[column]), only("position", column, column + 2))
    return Phrase(dice.pick(PLACES[position]), only("position", position))


def ground(background: int, pattern: int, dice: Dice) -> Phrase:
    """Describe the background by its colour, its pattern or both: "a tiled beige wall"."""
    kind = dice.below(4)
    words = [dice.pick(GROUND_NOUNS)]
    allowed = ANYTHING
    if kind != 0:
        words.insert(0, dice.pick(BACKGROUND_WORDS[background]))
        allowed &= only("background", background)
    if kind < 2:
        words.insert(0, dice.pick(PATTERN_WORDS[pattern]))
        allowed &= only("pattern", pattern)
    return Phrase(" ".join(["a", *words]), allowed)


def light(value: int, dice: Dice) -> Phrase:
    """Describe the light: "light from above"."""
    return Phrase(dice.pick(LIGHT_NOUNS[value]), only("light", value))
