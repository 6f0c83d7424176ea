"""Swaps that change what a caption says and leave it English: opposites, colours, numbers, places.

``rate`` is a share of the words that a rule can exchange; none: not applicable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mafs_bench.corruptions.text.english import (
    FUNCTION_WORDS,
    Place,
    Plain,
    Words,
    english_operator,
    exchanges,
    listed,
    lowered,
)
from mafs_bench.corruptions.text.spans import Sites
from mafs_bench.corruptions.text.wording import PERSONS

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")
_ALSO_COLOURS = frozenset((*_COLOURS, "grey"))
_COLOURED_NAMES = {
    "orange": "juice slice slices peel tree trees soda wedge wedges chicken sauce segments",
    "red": "carpet cross wine sox bull light lights onion onions velvet pepper peppers cabbage panda meat sauce eye",
    "green": "bean beans onion onions tea house salad peas pea pepper peppers grass light lights "
    "lantern vegetable vegetables leaf leaves",
    "yellow": "cab pages squash light",
    "blue": "jay jays cheese berry sky skies jeans jean angels",
    "brown": "bread rice sugar bear bears",
    "black": "board belt eye bean beans pepper tie bear bears top olive olives sheep",
    "white": "house board wine water rice bread caps cap wash sox sauce chocolate bears bear",
    "pink": "panther",
    "gray": "hound whale area",
    "grey": "hound whale area",
    "purple": "",
}
"""What a colour names together with the word behind it: a kind of thing, not its colour."""
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTED_OTHERWISE = listed(
    "one of by last next first other all o'clock number hundred thousand million half twenty "
    "thirty forty fifty between into these those both every top"
)
_IRREGULAR_PLURALS = listed("people men women children sheep kids geese oxen fish elk deer feet")
_NOT_COUNTED = listed("times thirds halves toes rides stands sits walks does")
_OPPOSITES = {
    "a": (
        ("big", "small"), ("large", "small"), ("huge", "tiny"), ("little", "big"), ("tall", "short"), ("long", "short"),
        ("young", "old"), ("elderly", "young"), ("older", "younger"), ("hot", "cold"), ("wet", "dry"),
        ("dirty", "clean"), ("empty", "full"), ("happy", "sad"), ("wide", "narrow"),
        ("thick", "thin"), ("heavy", "light"), ("fast", "slow"), ("indoor", "outdoor"), ("male", "female"),
        ("messy", "tidy"), ("smooth", "rough"), ("rich", "poor"), ("strong", "weak"), ("quiet", "loud"),
        ("beautiful", "ugly"), ("open", "closed"), ("deep", "shallow"), ("lit", "unlit"),
        ("painted", "unpainted"), ("clothed", "naked"), ("sunny", "cloudy"), ("crowded", "deserted"),
        ("busy", "quiet"), ("new", "old"), ("modern", "ancient"), ("tiny", "huge"), ("ripe", "unripe"),
        ("cooked", "raw"), ("colorful", "colorless"), ("larger", "smaller"), ("bigger", "smaller"),
    ),
    "n": (
        ("man", "woman"), ("men", "women"), ("boy", "girl"), ("boys", "girls"), ("lady", "gentleman"),
        ("ladies", "gentlemen"), ("guy", "girl"), ("mother", "father"), ("mom", "dad"), ("husband", "wife"),
        ("son", "daughter"), ("brother", "sister"), ("brothers", "sisters"), ("adult", "child"), ("adults", "children"),
        ("night", "day"), ("sunrise", "sunset"), ("bride", "groom"), ("king", "queen"),
    ),
    "v": (
        ("smiling", "frowning"), ("smiles", "frowns"), ("laughing", "crying"), ("laughs", "cries"),
        ("sitting", "standing"), ("sits", "stands"), ("pulling", "pushing"), ("pulls", "pushes"),
        ("opening", "closing"), ("opens", "closes"),
    ),
    "r": (("slowly", "quickly"), ("indoors", "outdoors"), ("upstairs", "downstairs")),
}  # fmt: skip
_ONE_WAY = frozenset(
    ("little", "large", "elderly", "huge", "big", "new", "modern", "long", "guy", "busy", "bigger")
)
"""First words of pairs whose second has another word for its opposite above or is exchanged in another pair."""
_GENDERED = frozenset(word for pair in _OPPOSITES["n"][:13] for word in pair) | {"male", "female"}
_PRONOUNS = listed("he she his her him hers himself herself beard pregnant")
_KEPT_BEFORE = {
    "hot": "dog dogs tub tubs chocolate air sauce pepper peppers pot plate rod dogger pink spring springs wheels",
    "short": "sleeve sleeves sleeved order stop shorts cut distance hair haired pants skirt bus",
    "long": "time way sleeve sleeves sleeved board jump distance beach",
    "old": "fashioned fashion school man-made world time town",
    "little": "bit league while one ones amount tikes of else",
    "big": "ben wheel apple top screen bend bird rig game cat cats brother sister mac",
    "small": "amount of talk",
    "large": "amount number of group variety",
    "open": "field area air space grassy sandy concept floor water plain lot ocean land room sky "
    "top fire road snow expanse range gym",
    "light": "blue brown green colored pink purple pole poles fixture fixtures bulb tan gray post house on up yellow",
    "thin": "crust air",
    "heavy": "equipment machinery metal traffic duty",
    "dry": "dock cleaning erase cleaner",
    "cold": "drink beverage cuts cream weather",
    "fast": "food asleep",
    "full": "length moon of size view",
    "deep": "dish fryer blue fried end",
    "new": "york zealand year orleans england jersey mexico born",
    "high": "school chair",
    "rough": "terrain",
    "male": "and",
    "female": "and",
    "young": "adult adults boy boys girl girls child children kid kids baby lady ladies",
    "clean": "up shaven",
    "strong": "",
    "man": "made",
    "lady": "bug bugs liberty",
    "boy": "scout scouts",
    "boys": "in",
    "girl": "guide scout scouts",
    "night": "stand time table club light gown shirt sky",
    "day": "light time bed",
    "mother": "bear giraffe elephant zebra sheep cow duck and board",
    "adult": "giraffe elephant zebra bear sheep cow and",
}
"""Fixed expressions: what a word keeps its sense before."""


def _table(kind: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for here, there in _OPPOSITES[kind]:
        table.setdefault(here, there)
        if here not in _ONE_WAY:
            table.setdefault(there, here)
    return table


_OPPOSITE = {kind: _table(kind) for kind in _OPPOSITES}
_HAVE_OPPOSITE = frozenset(word for table in _OPPOSITE.values() for word in table)
_PART_OF = {"J": "a", "N": "n", "V": "v", "R": "r"}


def _antonym(text: str) -> Sites:
    if _HAVE_OPPOSITE.isdisjoint(lowered(text)):
        return exchanges(text, ())
    words = Words(text)
    found = []
    for index, token in enumerate(words.tokens):
        word, kind = words.lower[index], _PART_OF.get(token.tag[:1], "")
        other = _OPPOSITE.get(kind, {}).get(word)
        if other is None or not token.editable or other in words.lower:
            continue
        if words.word(index + 1) in _KEPT_BEFORE.get(word, "").split() or not _opposes(
            words, index, word, kind
        ):
            continue
        found.append(Place(token.start, token.end, (other,)))
    return exchanges(text, found)


_OF_BOTH = {
    "man": listed("woman women"), "men": listed("woman women"), "woman": listed("man men"), "women": listed(
        "man men"
    ),
    "boy": listed("girl girls"), "boys": listed("girl girls"), "girl": listed("boy boys"), "girls": listed(
        "boy boys"
    ),
}  # fmt: skip
"""Persons of whom the opposite, one or several, may be there already."""
_TIDINESS = listed("neat tidy messy nice wash washing cleaning")
_AGED = listed(
    "man woman men women people couple person lady gentleman building house car truck train bus "
    "chair tree dog cat horse elephant giraffe zebra cow bear player players skateboarder surfer "
    "male female student students asian"
)
"""Of whom "young" and "old" may be said alike."""
_PARTICLES = listed("up down over out off away along through back")


def _opposes(words: Words, index: int, word: str, kind: str) -> bool:
    """Whether the word stands by itself, in the sense that has the opposite."""
    if word in _GENDERED and not _PRONOUNS.isdisjoint(words.lower):
        return False
    if word in _OF_BOTH and not _OF_BOTH[word].isdisjoint(words.lower):
        return False
    if word in ("clean", "dirty") and not _TIDINESS.isdisjoint(words.lower):
        return False
    if word in ("young", "old") and words.word(index + 1) not in _AGED:
        return False
    before, behind = words.word(index - 1), words.word(index + 1)
    if kind == "n":
        if before == "at":
            return False
        return not words.is_noun(index - 1) and not words.is_noun(index + 1)
    if kind == "a":
        attributive = words.is_noun(index + 1) or (words.tag(index + 1) == "JJ" and words.is_noun(index + 2))
        predicate = before in ("is", "are", "was", "very") and behind in (".", ",", "")
        return (
            (attributive or predicate)
            and before not in ("too", "how", "as", "so")
            and words.word(index - 2) != "as"
        )
    if kind == "v":
        if behind in _PARTICLES:
            return False
        return word not in ("opening", "opens", "closing", "closes") or behind in (
            "a",
            "an",
            "the",
            "his",
            "her",
        )
    return behind not in ("with", "by", "to", "from")


def _colour_swap(text: str) -> Sites:
    present = _ALSO_COLOURS.intersection(lowered(text))
    if not present:
        return exchanges(text, ())
    words = Plain(text)
    others = [
        colour
        for colour in _COLOURS
        if colour not in present and not (colour == "gray" and "grey" in present)
    ]
    found = [
        words.spans[index]
        for index, word in enumerate(words.lower)
        if word in present and words.is_free(index) and _is_colour(words, index)
    ]
    return exchanges(text, _each_its_own(found, others))


def _each_its_own(spans: Sequence[tuple[int, int]], others: Sequence[str]) -> list[Place]:
    """The others dealt out to the places, so that no two places get the same."""
    dealt = (others[k :: len(spans)] for k in range(len(spans)))
    return [Place(*span, options) for span, options in zip(spans, dealt, strict=True) if options]


def _is_colour(words: Plain, index: int) -> bool:
    """Whether a colour word says what colour something has, and is no name."""
    word, before, behind = words.lower[index], words.word(index - 1), words.word(index + 1)
    if words.is_capital(index) and index > 0:
        return False
    if behind in _COLOURED_NAMES[word].split() or behind in PERSONS or behind in ("'s", "’s"):
        return False
    pair = {word, behind if behind != "and" else words.word(index + 2)}
    pair_before = {word, before if before != "and" else words.word(index - 2)}
    if {"black", "white"} in (pair, pair_before):
        return False
    names = behind.isalpha() and behind not in FUNCTION_WORDS
    if word == "orange":
        return names and behind not in ("is", "are")
    return (
        names or behind in ("and", ",") or before in ("in", "is", "are", "wearing", "and", "all", "painted")
    )


def _number_swap(text: str) -> Sites:
    present = frozenset(lowered(text))
    if present.isdisjoint(_NUMBERS):
        return exchanges(text, ())
    words = Plain(text)
    others = [number for number in _NUMBERS if number not in present]
    found = [
        words.spans[index]
        for index, word in enumerate(words.lower)
        if word in _NUMBERS and words.is_free(index) and _counts(words, index)
    ]
    return exchanges(text, _each_its_own(found, others))


def _counts(words: Plain, index: int) -> bool:
    """Whether a number counts things that stand behind it in the plural."""
    before = words.word(index - 1)
    if before in _COUNTED_OTHERWISE or before in _NUMBERS or before.isdigit():
        return False
    for behind in range(index + 1, index + 5):
        word = words.word(behind)
        if word in _IRREGULAR_PLURALS or (
            word.endswith("s") and not word.endswith(("ss", "us", "'s")) and len(word) > 3
        ):
            return word not in _NOT_COUNTED and behind < index + 5
        if not word.isalpha() or word in FUNCTION_WORDS:
            return False
    return False


_SURFACES = listed(
    "table bed couch sofa bench chair desk bridge roof shelf counter blanket rug tree branch "
    "platform log tables beds benches chairs rock tarp trailer"
)
_MOVING = listed(
    "jump jumps jumping jumped leap leaps leaping walk walks walking run runs running climb "
    "climbs climbing dive dives diving go goes going crawl crawls crawling drive drives driving "
    "ride rides riding swim swims swimming fly flies flying ski skis skiing skate skates skating "
    "skateboarding fall falls falling move moves moving jog jogs jogging march marching slide "
    "slides sliding travel traveling travels hike hiking hikes"
)
_LOOKING = listed("coming comes getting gets peeking peeks looking looks leaning leans hanging hangs")
_GROUNDS = listed(
    "hill hills slope slopes mountain mountains stairs steps ramp street road path trail "
    "staircase escalator mountainside hillside sidewalk ladder track tracks river stream stairway "
    "highway"
)
_ENCLOSED = listed(
    "house room building kitchen car tent box cage fence bowl bag church store restaurant garage "
    "bus train barn office pen enclosure vehicle truck home bathroom shop window stadium ring "
    "circle tunnel"
)
_FLOWING = listed("water pool lake river ocean pond sea car bus building truck house tunnel cave tent")
_STARTS_PHRASE = listed(
    "a an the his her their its another some two three four each other one it them him many several"
)


def _head(words: Plain, index: int) -> str:
    """The last word of the noun phrase that begins at a place; empty where none does."""
    at = index + (words.word(index) in _STARTS_PHRASE)
    while at < index + 6 and words.word(at).isalpha() and words.word(at) not in FUNCTION_WORDS:
        at += 1
    return words.word(at - 1) if at > index else ""


def _spatial_swap(text: str) -> Sites:
    if _SAY_PLACES.isdisjoint(lowered(text)):
        return exchanges(text, ())
    words = Plain(text)
    found, index = [], 0
    while index < len(words.lower):
        length, other = _opposite_place(words, index) if words.lower[index] in _SAY_PLACES else (1, "")
        if other and all(map(words.is_free, range(index, index + length))):
            found.append(Place(words.spans[index][0], words.spans[index + length - 1][1], (other,)))
        index += length
    return exchanges(text, found)


def _opposite_place(words: Plain, index: int) -> tuple[int, str]:
    """How many words from here say a place, at least one, and its opposite; empty where there is none."""
    run, before = tuple(words.lower[index : index + 3]), words.word(index - 1)
    for length in (3, 2):
        other = _PHRASES.get(run[:length])
        if other:
            at_rest = run[:length] != ("out", "of") or before in _MOVING or before in _LOOKING
            fits = run[length - 1] in ("foreground", "background") or _begins_phrase(words, index + length)
            return length, other if fits and at_rest and before not in ("up", "close") else ""
    word = run[0]
    return 1, _opposite_side(words, index) if word in _SIDES else _opposite_preposition(words, index)


def _opposite_side(words: Plain, index: int) -> str:
    word, before, behind = words.word(index), words.word(index - 1), words.word(index + 1)
    if word in ("left", "right"):
        fits = before in ("the", "his", "her", "its", "far", "their") and behind in _BESIDE_A_SIDE
    else:
        fits = before == "the" and behind in (
            "of",
            "shelf",
            "step",
            "half",
            "left",
            "right",
            "corner",
            "bunk",
            "drawer",
        )
    return _SIDES[word] if fits else ""


def _opposite_preposition(words: Plain, index: int) -> str:
    rule = _PREPOSITIONS.get(words.word(index))
    before = words.word(index - 1)
    if rule is None or before in _NOT_BEFORE_PLACES or not _begins_phrase(words, index + 1):
        return ""
    other, after, objects = rule
    if after is not None and before not in after:
        return ""
    return other if objects is None or _head(words, index + 1) in objects else ""


def _begins_phrase(words: Plain, index: int) -> bool:
    word = words.word(index)
    return word in _STARTS_PHRASE or (word.isalpha() and word not in FUNCTION_WORDS)


_BESIDE_A_SIDE = frozenset(
    ("", ".", ",", "side", "hand", "corner", "of", "is", "has", "and", "foot", "arm", "leg")
)
_NOT_BEFORE_PLACES = listed("from up all in on at of to for with by out as than off over down right just")
_SIDES = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_PHRASES: Mapping[tuple[str, ...], str] = {
    ("in", "front", "of"): "behind",
    ("on", "top", "of"): "underneath",
    ("in", "the", "foreground"): "in the background",
    ("in", "the", "background"): "in the foreground",
    ("next", "to"): "away from",
    ("far", "from"): "near",
    ("away", "from"): "toward",
    ("out", "of"): "into",
    ("close", "to"): "far from",
    ("inside", "of"): "outside of",
    ("outside", "of"): "inside of",
}
_Rule = tuple[str, frozenset[str] | None, frozenset[str] | None]
_PREPOSITIONS: Mapping[str, _Rule] = {
    "behind": ("in front of", None, None),
    "underneath": ("on top of", None, None),
    "beneath": ("on top of", None, None),
    "atop": ("underneath", None, None),
    "above": ("below", None, None),
    "below": ("above", None, None),
    "near": ("far from", None, None),
    "beside": ("away from", None, None),
    "inside": ("outside", None, _ENCLOSED),
    "outside": ("inside", None, _ENCLOSED),
    "under": ("over", None, listed("bridge tree trees table bench")),
    "over": (
        "under",
        listed("jumping jumps leaping leaps flying flies walking hanging hangs jump"),
        listed("bridge hurdle fence log bar bars ocean beach water rope table bed street tree trees"),
    ),
    "up": ("down", _MOVING, _GROUNDS),
    "down": ("up", _MOVING, _GROUNDS),
    "into": ("out of", _MOVING, _FLOWING),
    "toward": ("away from", None, None),
    "towards": ("away from", None, None),
    "on": (
        "under",
        listed("sitting sits sit lying laying lies lays sleeping standing stands resting"),
        _SURFACES,
    ),
}

_SAY_PLACES = frozenset((*_SIDES, *_PREPOSITIONS, *(phrase[0] for phrase in _PHRASES)))

antonym = english_operator(_antonym)
colour_swap = english_operator(_colour_swap)
number_swap = english_operator(_number_swap)
spatial_swap = english_operator(_spatial_swap)
