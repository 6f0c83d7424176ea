"""Passive and active, only where the caption reads as subject, verb, object and places behind them.

Who acts is a person, an animal or a vehicle that draws; the verb is one of a list that takes an object; behind the
object there are only prepositional phrases without pronouns or verbs, which would refer to another subject.
"""

from __future__ import annotations

from mafs_bench.corruptions.text.clauses import (
    BE,
    Phrase,
    lowers,
    phrase,
    simple_phrase,
    transitive,
    with_others,
)
from mafs_bench.corruptions.text.english import Words, english_operator, listed, lowered, ready_made
from mafs_bench.corruptions.text.spans import Edit, Sites
from mafs_bench.corruptions.text.tagging import inflect

_WAYS = listed(
    "near through across into onto from over under beside behind down up along around past toward "
    "towards between against above off next"
)
"""Prepositions that say where something goes on, whatever is done to what."""
_WHERE = frozenset(("in", "on", "at", "inside", "outside", "during"))
_SCENES = listed(
    "beach field fields park street streets road kitchen room snow ocean sea water court grass "
    "city yard mountain mountains hill hillside slope slopes sidewalk track forest woods lake "
    "river pool stage parking lot restaurant dirt sand farm backyard front desert zoo stadium gym "
    "library market intersection house home lawn garden pasture meadow pond shore game match day "
    "night competition party event concert trail path ramp playground floor store bedroom "
    "bathroom office background town crowd rain distance area train bus station skatepark rodeo "
    "ice rink arena porch deck"
)
"""Where a clause as a whole can happen; of anything else a preposition may speak of the object alone."""
_ONLY_OBJECTS = {
    "fly": listed("kite kites plane airplane drone"),
    "walk": listed("dog dogs horse horses puppy"),
    "water": listed("plant plants flowers garden"),
    "light": listed("candle candles"),
    "hang": listed("clothes picture"),
    "wave": listed("flag flags"),
    "blow": listed("bubbles candles"),
    "roll": listed("dough ball"),
    "row": listed("boat boats"),
    "man": listed(""),
    "drink": listed("water wine beer milk coffee juice tea beverage"),
}
"""Verbs that take only these objects in the sense that can be turned."""


_LANDSCAPE = listed(
    "tree trees bush bushes mountain mountains hill hills fence fences fencing wood woods forest "
    "plants grass buildings houses water rocks hedges snow wall walls flowers shrubs shrubbery "
    "foliage greenery palms skyscrapers ice leaves"
)
"""What surrounds or covers a place, rather than somebody who is there."""
_OF_OBJECTS = listed(
    "pull drive ride hold steer row paddle carry wear throw surround cover operate build paint"
)
"""What is done to the object of a sentence rather than to its subject."""


def _starts(words: Words) -> list[int]:
    """Where sentences begin."""
    return [0, *(at + 1 for at, word in enumerate(words.lower) if word == "." and at + 1 < len(words.lower))]


def _passive(text: str) -> Sites:
    if not any(transitive(word)[0] for word in lowered(text)):
        return ready_made([])
    words = Words(text)
    return ready_made([edit for start in _starts(words) if (edit := _to_passive(text, words, start))])


def _to_passive(text: str, words: Words, start: int) -> Edit | None:
    """``A man is riding a horse`` -> ``a horse is being ridden by a man``; participles likewise."""
    subject = with_others(words, phrase(words, start))
    if subject is None or not subject.animate or not lowers(words, start):
        return None
    be = words.word(subject.end) if words.word(subject.end) in BE else ""
    at = subject.end + bool(be)
    lemma, form = transitive(words.word(at))
    if not lemma or form not in (("VBG",) if be else ("VBG", "VB" if subject.plural else "VBZ")):
        return None
    if words.is_noun(at) and form != "VBG":
        return None
    thing = with_others(words, phrase(words, at + 1, places=False))
    if thing is None or not _turns(words, lemma, thing) or not _only_places_behind(words, thing.end):
        return None
    helper = _be(thing.plural, be in ("was", "were")) if be or form != "VBG" else ""
    group = " ".join(filter(None, (helper, "being" if form == "VBG" else "", inflect(lemma, "VBN"), "by")))
    return _exchanged(text, words, subject, thing, group)


def _turns(words: Words, lemma: str, thing: Phrase) -> bool:
    if lemma in _ONLY_OBJECTS and thing.head not in _ONLY_OBJECTS[lemma]:
        return False
    if thing.head in ("hands", "mr", "mrs", "st", "part", "care"):
        return False
    return not any(words.lower[at] in ("other", "something") for at in range(thing.start, thing.end))


def _only_places_behind(words: Words, at: int) -> bool:
    """Whether the rest of the sentence says where all of it happens, and nothing else of subject or object."""
    while words.word(at) not in ("", "."):
        preposition = words.lower[at]
        if preposition not in _WAYS and preposition not in _WHERE:
            return False
        at += 1
        if preposition == "next" and words.word(at) != "to":
            return False
        if words.word(at) in ("to", "of") and preposition in ("next", "outside", "inside", "off"):
            at += 1
        if preposition == "in" and words.word(at) == "front" and words.word(at + 1) == "of":
            preposition, at = "near", at + 2
        place = phrase(words, at, places=False)
        if place is None or (preposition in _WHERE and place.head not in _SCENES):
            return False
        at = place.end
    return True


def _be(plural: bool, past: bool) -> str:
    return ("were" if plural else "was") if past else ("are" if plural else "is")


def _exchanged(text: str, words: Words, first: Phrase, second: Phrase, group: str) -> Edit:
    """The two phrases in each other's place around a new verb group."""
    start, end = words.tokens[first.start].start, words.tokens[second.end - 1].end
    leading = text[words.tokens[second.start].start : end]
    trailing = text[start : words.tokens[first.end - 1].end]
    if text[start].isupper():
        leading, trailing = leading[:1].upper() + leading[1:], trailing[:1].lower() + trailing[1:]
    return start, end, f"{leading} {group} {trailing}"


def _active(text: str) -> Sites:
    if " by " not in text:
        return ready_made([])
    words = Words(text)
    edits = []
    for at, word in enumerate(words.lower):
        if word == "by" and (edit := _to_active(text, words, at)):
            edits.append(edit)
    return ready_made(edits)


def _to_active(text: str, words: Words, by: int) -> Edit | None:
    """``A horse is being ridden by a man`` -> ``a man is riding a horse``; ``a sleigh driven by a woman`` ->
    ``a sleigh that a woman drives``.
    """
    lemma, _ = transitive(words.word(by - 1))
    agent = with_others(words, phrase(words, by + 1))
    if not lemma or inflect(lemma, "VBN") != words.word(by - 1) or agent is None or not agent.does(lemma):
        return None
    being = words.word(by - 2) == "being"
    verb = by - 2 if being else by - 1
    be = words.word(verb - 1) if words.word(verb - 1) in BE else ""
    if words.word(agent.end) not in ("", ".", ",", *(BE if not be else ())):
        return None
    past = be in ("was", "were")
    if be or being:
        whole = next(
            (
                start
                for start in _starts(words)
                if (found := phrase(words, start)) and found.end == verb - bool(be)
            ),
            None,
        )
        thing = None if whole is None else phrase(words, whole)
        if thing is not None and lowers(words, thing.start) and words.word(agent.end) in ("", "."):
            group = (
                f"{_be(agent.plural, past) + ' ' if be else ''}{inflect(lemma, 'VBG')}"
                if being
                else _finite(lemma, agent.plural, past)
            )
            return _exchanged(text, words, thing, agent, group)
    if be or not _is_meant(words, verb, lemma, agent):
        return None
    said = text[words.tokens[agent.start].start : words.tokens[agent.end - 1].end]
    group = (
        f"{_be(agent.plural, False)} {inflect(lemma, 'VBG')}"
        if being
        else _finite(lemma, agent.plural, False)
    )
    return words.tokens[verb].start, words.tokens[agent.end - 1].end, f"that {said} {group}"


def _is_meant(words: Words, end: int, lemma: str, agent: Phrase) -> bool:
    """Whether what is done in the reduced clause at a place is done to the noun in front of it, and not to the subject
    of the sentence: "a man rides a sled pulled by dogs", but "a dog runs through the grass chased by a dog".
    """
    inside = words.lower[agent.start : agent.end]
    if "and" in inside and words.word(agent.end) in BE:
        return False
    if not agent.animate and any(words.tag(at) == "IN" for at in range(agent.start, agent.end)):
        return False
    for at in range(max(0, end - 6), end):
        found = simple_phrase(words, at) if words.tag(at) in ("DT", "CD") else None
        if found is None or found.end != end:
            continue
        if at == 0 or words.word(at - 1) == ".":
            return True
        if words.tag(at - 1).startswith("VB") and words.word(at - 1) not in BE:
            return lemma in _OF_OBJECTS
        return found.head in _SCENES and lemma in ("surround", "cover") and agent.head in _LANDSCAPE
    return False


def _finite(lemma: str, plural: bool, past: bool) -> str:
    if past:
        return inflect(lemma, "VBD")
    return lemma if plural else inflect(lemma, "VBZ")


passive = english_operator(_passive, articles=False)
active = english_operator(_active, exclusive=True, articles=False)
