"""Exchange of listed words and phrases: formal and casual wording, and swaps that change what is said.

``rate`` is a share of the places in the text where the table applies; none: not applicable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.text.spans import Edit, Sites, outside, pick, protected_spans, span_operator
from mafs_bench.corruptions.text.tagging import match_case

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

_CONTRACTIONS = {
    "is not": "isn't", "are not": "aren't", "was not": "wasn't", "were not": "weren't", "do not": "don't",
    "does not": "doesn't", "did not": "didn't", "has not": "hasn't", "have not": "haven't",
    "cannot": "can't", "could not": "couldn't", "will not": "won't", "would not": "wouldn't",
    "should not": "shouldn't", "it is": "it's", "he is": "he's", "she is": "she's", "that is": "that's",
    "what is": "what's", "who is": "who's", "where is": "where's", "there is": "there's", "i am": "I'm",
    "they are": "they're", "we are": "we're", "you are": "you're", "let us": "let's", "i have": "I've",
    "we have": "we've", "they have": "they've", "it will": "it'll", "he will": "he'll", "they will": "they'll",
}  # fmt: skip
_CASUAL = {
    "child": "kid", "children": "kids", "infant": "little one", "toddler": "tot", "man": "guy",
    "men": "guys", "gentleman": "guy", "woman": "gal", "women": "gals", "mother": "mom", "father": "dad",
    "dog": "pup", "dogs": "pups", "cat": "kitty", "cats": "kitties", "bicycle": "bike",
    "bicycles": "bikes", "motorcycle": "motorbike", "photograph": "pic", "photo": "pic", "picture": "pic",
    "television": "TV", "telephone": "phone", "large": "huge", "several": "a bunch of",
    "many": "lots of", "group": "bunch", "observing": "checking out", "watching": "checking out",
    "looking at": "checking out", "looks at": "checks out", "look at": "check out", "eating": "munching on",
    "talking": "chatting", "running": "dashing", "relaxing": "chilling", "sitting": "hanging out",
    "standing": "hanging around", "very": "super", "attractive": "cute", "going to": "gonna",
    "wants to": "wanna", "yes": "yeah", "food": "grub", "clothing": "gear", "clothes": "gear",
}  # fmt: skip
_FORMAL = {
    "kid": "child", "kids": "children", "baby": "infant", "babies": "infants", "guy": "gentleman",
    "guys": "gentlemen", "man": "gentleman", "men": "gentlemen", "woman": "lady", "women": "ladies",
    "lady": "gentlewoman", "boy": "young gentleman", "boys": "young gentlemen", "girl": "young lady",
    "girls": "young ladies", "people": "individuals", "person": "individual", "mom": "mother",
    "dad": "father", "dog": "canine", "dogs": "canines", "puppy": "young canine", "cat": "feline",
    "cats": "felines", "bike": "bicycle", "bikes": "bicycles", "pic": "photograph", "photo": "photograph",
    "picture": "photograph", "tv": "television", "phone": "telephone", "big": "large", "little": "small",
    "lots of": "numerous", "a lot of": "numerous", "a bunch of": "several", "near": "in proximity to",
    "next to": "adjacent to", "in front of": "before", "looking at": "observing", "looks at": "observes",
    "look at": "observe", "watching": "observing", "watches": "observes", "watch": "observe",
    "getting": "obtaining", "gets": "obtains", "get": "obtain", "eating": "consuming", "eats": "consumes",
    "holding": "grasping", "holds": "grasps", "wearing": "attired in", "wears": "is attired in",
    "playing": "engaged in play", "running": "moving at speed", "sitting": "seated", "kinda": "rather",
    "gonna": "going to", "wanna": "want to", "yeah": "yes",
}  # fmt: skip
_OPPOSITE_PLACES = (
    ("left", "right"), ("above", "below"), ("over", "under"), ("on top of", "underneath"), ("inside", "outside"),
    ("in front of", "behind"), ("in the foreground", "in the background"), ("top", "bottom"), ("up", "down"),
    ("into", "out of"), ("near", "far from"), ("next to", "away from"), ("indoors", "outdoors"),
    ("upstairs", "downstairs"), ("toward", "away from"), ("towards", "away from"), ("beside", "across from"),
    ("on", "under"),
)  # fmt: skip


def phrase_operator(table: Mapping[str, tuple[str, ...]]) -> TextOperator:
    """Exchange phrases for one of those that the table gives for them; where several begin, the longest."""
    longest_first = sorted(table, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b(?!['’])", re.IGNORECASE)

    def find(text: str) -> Sites:
        at = outside(protected_spans(text), [match.span() for match in pattern.finditer(text)])

        def edit(span: tuple[int, int], draw: int) -> Edit:
            old = text[slice(*span)]
            return *span, match_case(pick(table[old.lower()], draw), old)

        return Sites(len(at), at, edit)

    return span_operator(find)


def _single(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {phrase: (other,) for phrase, other in table.items()}


def _any_other(group: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {word: tuple(other for other in group if other != word) for word in group}


def _opposites() -> dict[str, tuple[str, ...]]:
    """Both directions; where a place stands in several rows, the first counts."""
    table: dict[str, tuple[str, ...]] = {}
    for here, there in _OPPOSITE_PLACES:
        table.setdefault(here, (there,))
        table.setdefault(there, (here,))
    return table


_EXPANSIONS = {short.lower(): full for full, short in _CONTRACTIONS.items()}

casual = phrase_operator(_single(_CASUAL | _CONTRACTIONS))
formal = phrase_operator(_single(_FORMAL | _EXPANSIONS))
colour_swap = phrase_operator(_any_other(_COLOURS) | {"grey": _COLOURS[:-1], "golden": _COLOURS[:-1]})
number_swap = phrase_operator(_any_other(_NUMBERS))
spatial_swap = phrase_operator(_opposites())
