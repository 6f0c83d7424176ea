"""Noun phrases and verbs of captions, read cautiously: where a reading is not certain, there is none."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mafs_bench.corruptions.text.english import Words, listed
from mafs_bench.corruptions.text.tagging import inflect, lemma_of
from mafs_bench.corruptions.text.wording import ANIMATE

BE = frozenset(("is", "are", "was", "were"))
_QUANTITIES = listed("group couple pair bunch herd flock crowd team line row pack gathering")
_IN_PHRASES = frozenset(("DT", "CD", "JJ", "JJR", "JJS", "NN", "NNS", "NNP", "NNPS", "VBN"))
_DETERMINERS = listed(
    "a an the some several many two three four five six seven eight nine ten one another this "
    "that these those"
)
_STARTS = (
    _DETERMINERS | ANIMATE | listed("young old little small large big tall older elderly black white brown")
)
"""Words that keep no capital inside a sentence."""
_PLACES = listed("in on at near with by outside inside under behind")
_PLURAL = frozenset(("people", "men", "women", "children", "sheep", "cattle", "police"))
_DRAWS = frozenset(
    ("tractor", "truck", "locomotive", "engine", "boat", "car", "mule", "mules", "oxen", "ox", "donkey")
)

_TRANSITIVE = sorted(
    listed(
        "ride hold carry wear eat throw catch push pull chase watch hit kick cut prepare feed pet "
        "brush wash walk drive play fly cook read lick chew bite use cross climb hug kiss pour "
        "examine inspect surf swing toss drag tow herd guide lead touch lift open clean decorate "
        "paint build repair fix serve sell buy shear milk photograph film tackle block retrieve "
        "fetch smell sniff drink hunt admire observe slice chop peel bake grill roll bounce steer "
        "paddle row operate man hang light blow wave raise follow groom pat stroke squeeze grab "
        "bathe spray water measure draw"
    )
)
_INTRANSITIVE = sorted(
    listed(
        "sit stand lie lay look walk run jump leap go come sleep rest lean talk speak smile laugh "
        "pose wait skate ski snowboard surf swim dive crawl graze fly float race slide skateboard "
        "play work perform dance sing stare gaze point stop travel move drive ride hang grow have "
        "do make take get give show wear feature contain stick reach try attempt prepare enjoy "
        "share cover fill surround enter leave approach pass face fall land kneel crouch squat "
        "bend climb gather line fight practice compete wrestle splash dig chew drink type text "
        "cook shop park flip grind balance spin skateboard turn step display include sail glide "
        "kiteboard windsurf bat pitch bike jog hike wander roam peek peer relax lounge nap yawn "
        "bark sniff shake wash shave study help sell"
    )
)
VERBS = frozenset(_TRANSITIVE) | frozenset(_INTRANSITIVE)
_BY_THINGS = sorted(listed("surround cover hit block touch splash support protect reflect"))
"""Verbs whose passive may name a thing behind ``by``."""


class Phrase(NamedTuple):
    """A noun phrase, prepositional phrases included: its tokens are ``start`` to ``end`` - 1; ``head`` is its noun."""

    start: int
    end: int
    head: str
    plural: bool

    @property
    def animate(self) -> bool:
        """Whether it is about a person or an animal."""
        return self.head in ANIMATE

    def does(self, lemma: str) -> bool:
        """Whether it can be what does that to another thing."""
        return self.animate or self.head in _DRAWS or lemma in _BY_THINGS


@lru_cache(maxsize=1)
def _forms() -> dict[str, tuple[str, str]]:
    forms: dict[str, tuple[str, str]] = {}
    for lemma in (*_BY_THINGS, *_TRANSITIVE):
        for tag in ("VBN", "VB", "VBZ", "VBG"):
            forms[inflect(lemma, tag)] = (lemma, tag)
    return forms


def transitive(word: str) -> tuple[str, str]:
    """Lemma and form (VB, VBZ, VBG, VBN) of a verb that takes an object; two empty strings for another word."""
    return _forms().get(word, ("", ""))


def simple_phrase(words: Words, start: int) -> Phrase | None:
    """Determiner, adjectives and nouns from a place on, nothing behind the last noun."""
    at, last = start, -1
    while words.tag(at) in _IN_PHRASES or (words.word(at) == "and" and _between_adjectives(words, at)):
        if words.tag(at) == "DT" and at > start:
            break
        if not words.tokens[at].editable or words.lower[at] in ("no", "what", "each", "every", "other"):
            return None
        if words.is_noun(at):
            last = at
        elif last >= 0:
            break
        at += 1
    if last < 0 or last + 1 < at or _may_be_verb(words, start, last):
        return None
    head = words.lower[last]
    plural = words.tag(last) in ("NNS", "NNPS") or head in _PLURAL
    if plural and words.lower[start] in ("a", "an", "another"):
        return None
    return Phrase(start, last + 1, head, plural)


def _may_be_verb(words: Words, start: int, last: int) -> bool:
    """Whether what is tagged as the last of several nouns may be the verb of the clause: "a scarf smiles"."""
    word = words.lower[last]
    if last > start and words.tag(last - 1) == "NNS":
        return True
    if not word.endswith(("s", "ing")) or last == start:
        return False
    lone_colour = words.tag(last - 1) == "JJ" and words.tag(start) != "DT"
    return (
        (words.is_noun(last - 1) or lone_colour)
        and lemma_of(word, "VB") in VERBS
        and lemma_of(word, "VB") != word
    )


def _between_adjectives(words: Words, at: int) -> bool:
    return words.tag(at - 1) == "JJ" and words.tag(at + 1) == "JJ"


def phrase(words: Words, start: int, places: bool = True) -> Phrase | None:
    """A simple phrase with what belongs to it: "a group of", and with ``places`` where it is or what it has on."""
    first = simple_phrase(words, start)
    if first is None:
        return None
    found = first
    if words.word(first.end) == "of":
        inner = simple_phrase(words, first.end + 1)
        if inner is None:
            return None
        counted = first.head in _QUANTITIES
        found = Phrase(start, inner.end, inner.head if counted else first.head, counted or first.plural)
        if not counted and first.head in ANIMATE:
            return None
    while places and words.word(found.end) in _PLACES:
        inner = simple_phrase(words, found.end + 1)
        if inner is None or inner.head in ANIMATE or words.word(inner.end) == "of":
            return None
        found = found._replace(end=inner.end)
    return found


def with_others(words: Words, first: Phrase | None) -> Phrase | None:
    """The phrase, and what ``and`` adds to it."""
    if first is None or words.word(first.end) != "and":
        return first
    other = simple_phrase(words, first.end + 1)
    if other is None or other.animate != first.animate:
        return None
    return first._replace(end=other.end, plural=True)


def lowers(words: Words, index: int) -> bool:
    """Whether the word at the start of a sentence is written small inside one."""
    return words.lower[index] in _STARTS
