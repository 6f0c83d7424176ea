"""Five captions per scene, each a different kind of sentence about different parts of the scene.

The kinds: the relation between two groups; a fragment, as people write under photos; a transitive sentence; an
existential sentence with a place; and a sentence about attributes. Each caption draws anew which groups and which
facts it mentions, so that no caption is a complete description.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mafs_bench.datasets.scenes.truth import Claim, only, relation_of
from mafs_bench.datasets.scenes.wording import (
    BRIEF,
    COLOUR_WORDS,
    FULL,
    RELATIONS,
    SHAPE_NOUNS,
    SIZE_WORDS,
    TEXTURE_WORDS,
    Dice,
    Phrase,
    ground,
    light,
    noun_phrase,
    place,
)
from mafs_bench.datasets.scenes.world import Scene, draws

DRAWS_A_CAPTION = 40

Group = tuple[int, ...]


def write_captions(scenes: Sequence[Scene], split: str) -> tuple[list[str], list[Claim]]:
    """Captions and their claims, five per scene, numbered consecutively."""
    n = len(scenes) * len(_KINDS)
    table = draws(f"captions/{split}", n * DRAWS_A_CAPTION).reshape(n, DRAWS_A_CAPTION).tolist()
    texts, claims = [], []
    for number, row in enumerate(table):
        scene, kind = divmod(number, len(_KINDS))
        text, claim = _KINDS[kind](scenes[scene], Dice(row))
        texts.append(text)
        claims.append(claim)
    return texts, claims


def _two_groups(scene: Scene, dice: Dice) -> tuple[Group, Group] | None:
    """Two different groups in random order, or None if there is only one."""
    n = len(scene.groups)
    first, step = dice.below(n), dice.below(max(n - 1, 1))
    if n == 1:
        return None
    return scene.groups[first], scene.groups[(first + 1 + step) % n]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _relation(scene: Scene, dice: Dice) -> tuple[str, Claim]:
    """State the relation between two groups."""
    pair = _two_groups(scene, dice)
    if pair is None:
        return _alone(scene, dice)
    first, second = noun_phrase(pair[0], BRIEF, dice), noun_phrase(pair[1], BRIEF, dice)
    holding = relation_of(pair[0][-1], pair[1][-1])
    relation = holding[dice.below(len(holding))]
    verb = first.verb(*(("is", "are"), ("sits", "sit"), ("stands", "stand"))[dice.below(3)])
    text = f"{verb} {dice.pick(RELATIONS[relation])} {second.text}"
    return _sentence(text), Claim(first.allowed, second.allowed, relation)


def _alone(scene: Scene, dice: Dice) -> tuple[str, Claim]:
    """State where the only group is, and on what background."""
    phrase = noun_phrase(scene.groups[0], FULL, dice)
    where, wall = place(scene.groups[0][-1], dice), ground(scene.background, scene.pattern, dice)
    text = f"{phrase.verb('is', 'are')} {where.text} of {wall.text}"
    return _sentence(text), Claim(phrase.allowed & where.allowed & wall.allowed)


def _fragment(scene: Scene, dice: Dice) -> tuple[str, Claim]:
    """Name one or two groups and the background, without a verb."""
    pair = _two_groups(scene, dice)
    wall = ground(scene.background, scene.pattern, dice)
    before = dice.pick((" on ", " against ", " in front of "))
    if pair is None:
        phrase, shine = noun_phrase(scene.groups[0], FULL, dice), light(scene.light, dice)
        text = f"{phrase.text}{before}{wall.text} in {shine.text}"
        return text, Claim(phrase.allowed & wall.allowed & shine.allowed)
    first, second = noun_phrase(pair[0], BRIEF, dice), noun_phrase(pair[1], BRIEF, dice)
    text = f"{first.text}{dice.pick((' and ', ' with '))}{second.text}{before}{wall.text}"
    return text, Claim(first.allowed & wall.allowed, second.allowed)


def _transitive(scene: Scene, dice: Dice) -> tuple[str, Claim]:
    """Somebody puts one group somewhere, or the light falls on it."""
    group = scene.groups[dice.below(len(scene.groups))]
    phrase, wall = noun_phrase(group, FULL, dice), ground(scene.background, scene.pattern, dice)
    allowed = phrase.allowed & wall.allowed
    if dice.happens(50):
        shine = light(scene.light, dice)
        verb = dice.pick(("brightens", "warms", "touches", "covers"))
        return _sentence(f"{shine.text} {verb} {phrase.text} on {wall.text}"), Claim(allowed & shine.allowed)
    where = place(group[-1], dice)
    who = dice.pick(("someone", "an artist", "a child", "a designer"))
    verb = dice.pick(("placed", "painted", "drew", "put"))
    text = f"{who} {verb} {phrase.text} {where.text} of {wall.text}"
    return _sentence(text), Claim(allowed & where.allowed)


def _existential(scene: Scene, dice: Dice) -> tuple[str, Claim]:
    """State that one group is somewhere, and perhaps that another is there too."""
    pair = _two_groups(scene, dice)
    group = scene.groups[0] if pair is None else pair[0]
    where = place(group[-1], dice)
    phrase = noun_phrase(group, FULL if pair is None else BRIEF, dice)
    sees = dice.pick(("there {} {}", "we see {1}", "you can see {1}", "the picture shows {1}"))
    text = f"{sees.format('are' if phrase.plural else 'is', phrase.text)} {where.text}"
    if pair is None:
        shine = light(scene.light, dice)
        return _sentence(f"{text}, in {shine.text}"), Claim(phrase.allowed & where.allowed & shine.allowed)
    other = noun_phrase(pair[1], BRIEF, dice)
    text = f"{text}, {dice.pick(('and also', 'along with', 'together with'))} {other.text}"
    return _sentence(text), Claim(phrase.allowed & where.allowed, other.allowed)


def _qualities(scene: Scene, dice: Dice) -> tuple[str, Claim]:
    """State two attributes of one group, then the setting."""
    group = scene.groups[dice.below(len(scene.groups))]
    subject, qualities = _subject(group, dice), _two_qualities(group, dice)
    if dice.happens(50):
        shine = light(scene.light, dice)
        setting = Phrase(f"{shine.text} fills the scene", shine.allowed)
    else:
        wall = ground(scene.background, scene.pattern, dice)
        setting = Phrase(f"{wall.text} lies behind", wall.allowed)
    text = f"{subject.verb('is', 'are')} {qualities.text}, and {setting.text}"
    return _sentence(text), Claim(subject.allowed & qualities.allowed & setting.allowed)


def _subject(group: Group, dice: Dice) -> Phrase:
    """The shape with article or number, and its place: "the two stars at the top left"."""
    shape, count = group[0], group[4]
    nouns = SHAPE_NOUNS[shape]
    where = place(group[-1], dice)
    number, allowed = (
        ("the", only("count", 0))
        if count == 0
        else (f"the {('two', 'three', 'four')[count - 1]}", only("count", count))
    )
    noun = nouns[dice.below(len(nouns))][count > 0]
    return Phrase(f"{number} {noun} {where.text}", only("shape", shape) & allowed & where.allowed, count > 0)


def _two_qualities(group: Group, dice: Dice) -> Phrase:
    """Two of colour, texture and size."""
    _, colour, size, texture, *_ = group
    told = [
        Phrase(dice.pick(COLOUR_WORDS[colour]), only("colour", colour)),
        Phrase(dice.pick(TEXTURE_WORDS[texture]), only("texture", texture)),
        Phrase(dice.pick(SIZE_WORDS[size]), only("size", size)),
    ]
    left_out = dice.below(4)
    kept = [quality for number, quality in enumerate(told) if number != (2 if left_out == 3 else left_out)]
    return Phrase(f"{kept[0].text} and {kept[1].text}", kept[0].allowed & kept[1].allowed)


_KINDS: tuple[Callable[[Scene, Dice], tuple[str, Claim]], ...] = (
    _relation,
    _fragment,
    _transitive,
    _existential,
    _qualities,
)
