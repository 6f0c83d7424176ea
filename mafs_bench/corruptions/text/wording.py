"""Formal and casual wording, by tables whose entries say in front of what, and behind what, they hold.

``rate`` is a share of the places where a table applies; none: not applicable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mafs_bench.corruptions.text.english import Place, Words, english_operator, exchanges, listed, lowered
from mafs_bench.corruptions.text.spans import Sites

ANIMATE = listed(
    "man men woman women boy boys girl girls child children kid kids baby babies person people "
    "guy guys lady ladies couple toddler family group crowd player players skier skiers surfer "
    "surfers dog dogs puppy puppies cat cats kitten kittens bear bears elephant elephants giraffe "
    "giraffes zebra zebras cow cows sheep horse horses bird birds adult adults teenager teenagers "
    "student students friend friends worker workers officer officers soldier soldiers rider "
    "riders skateboarder skateboarders snowboarder snowboarders team gentleman gentlemen mother "
    "father monkey"
)
"""Nouns for persons and animals, which sit, look and eat."""
PERSONS = listed(
    "man men woman women boy boys girl girls child children kid kids person people guy guys lady "
    "ladies adults friends students tourists players teenagers skiers surfers fans soldiers "
    "workers riders spectators baby family couple lady"
)
"""Nouns for persons."""
_MATERIAL = listed("a an the some his her their its one two three")
_BE = frozenset(("is", "are", "was", "were"))


class Rule(NamedTuple):
    """What to write in place of a phrase, and where that holds.

    kind: the first letters of the tag that its first word must have. before, behind: words of which one must stand
    there (None: any). never: words of which none may stand behind it.
    """

    other: str
    kind: str = ""
    before: frozenset[str] | None = None
    behind: frozenset[str] | None = None
    never: frozenset[str] = frozenset()


def _nouns(pairs: str) -> dict[str, Rule]:
    """Nouns and their plurals' other words, ``old:new`` each."""
    return {old: Rule(new, "NN") for old, new in (pair.split(":") for pair in pairs.split())}


def _of_persons(*phrases: tuple[str, str]) -> dict[str, Rule]:
    return {old: Rule(new, behind=PERSONS | {"young", "little", "small"}) for old, new in phrases}


def _with_object(**verbs: str) -> dict[str, Rule]:
    return {old: Rule(new, "V", behind=_MATERIAL) for old, new in verbs.items()}


_SITTING = frozenset((*ANIMATE, *_BE, "and", "while"))
_HERE = listed("on in at near by next inside outside under around behind beside with together atop")

_CONTRACTIONS = {
    "is not": "isn't", "are not": "aren't", "was not": "wasn't", "were not": "weren't", "do not": "don't",
    "does not": "doesn't", "did not": "didn't", "has not": "hasn't", "have not": "haven't", "cannot": "can't",
    "could not": "couldn't", "will not": "won't", "would not": "wouldn't", "should not": "shouldn't",
    "it is": "it's", "he is": "he's", "she is": "she's", "that is": "that's", "what is": "what's", "who is": "who's",
    "where is": "where's", "there is": "there's", "i am": "I'm", "they are": "they're", "we are": "we're",
    "you are": "you're", "let us": "let's",
}  # fmt: skip
_AFTER_SHORT_BE = listed(
    "a an the not on in at near by very being his her their its two three one red blue green "
    "white black brown yellow standing sitting riding holding wearing playing eating running "
    "walking looking lying laying jumping flying being covered full surrounded made filled parked "
    "getting going doing about trying talking smiling taking using"
)
"""What a shortened "is" may stand in front of; at the end of a clause it never is shortened."""

_FORMAL: Mapping[str, Rule] = {
    **_nouns(
        "kid:child kids:children guy:gentleman guys:gentlemen man:gentleman men:gentlemen "
        "woman:lady women:ladies person:individual mom:mother moms:mothers dad:father "
        "dads:fathers mommy:mother daddy:father grandma:grandmother grandpa:grandfather "
        "dog:canine dogs:canines doggy:dog cat:feline cats:felines kitty:kitten bunny:rabbit "
        "bunnies:rabbits bike:bicycle bikes:bicycles pic:photograph pics:photographs "
        "photo:photograph photos:photographs tv:television tvs:televisions phone:telephone "
        "phones:telephones fridge:refrigerator fridges:refrigerators plane:airplane "
        "planes:airplanes tub:bathtub tubs:bathtubs veggies:vegetables veggie:vegetable "
        "burger:hamburger burgers:hamburgers teen:teenager teens:teenagers cop:officer "
        "cops:officers ref:referee tummy:stomach gym:gymnasium limo:limousine hippo:hippopotamus "
        "rhino:rhinoceros ad:advertisement ads:advertisements"
    ),
    "people": Rule("individuals", "NN"),
    "big": Rule("large", "J", never=listed(
        "ben wheel apple bird brother sister rig top cat cats mac"
    )),
    "little": Rule("small", "J", never=listed("bit league while one ones more else less to too of")),
    "lots of": Rule("a great deal of", behind=listed(
        "food water snow fruit luggage traffic stuff grass"
    )),
    "many": Rule("numerous", never=listed("of more a times")),
    "near": Rule("in proximity to", "IN", never=listed("by to each and")),
    "next to": Rule("adjacent to", never=frozenset(("last",))),
    "on top of": Rule("atop", never=frozenset(("each", "one"))),
    "inside": Rule("within", "IN", behind=frozenset(("a", "an", "the"))),
    "looking at": Rule("gazing at", "V"),
    "looks at": Rule("gazes at", "V"),
    "watching": Rule("observing", "V", behind=_MATERIAL, never=frozenset(("tv", "television"))),
    "watches": Rule("observes", "V", behind=_MATERIAL),
    **_with_object(eating="consuming", eats="consumes", using="utilizing", uses="utilizes", fixing="repairing"),
    "sitting": Rule("seated", "V", before=_SITTING, behind=_HERE),
    "trying to": Rule("attempting to"),
    "tries to": Rule("attempts to"),
    "old": Rule("elderly", "J", behind=listed(
        "man men woman women lady ladies couple people person"
    )),
    "gonna": Rule("going to"),
    "wanna": Rule("want to"),
    "kinda": Rule("rather"),
    "yeah": Rule("yes"),
    **_of_persons(("a lot of", "numerous"), ("lots of", "numerous"), ("a bunch of", "several")),
    **_of_persons(("bunch of", "group of")),
}  # fmt: skip
_CASUAL: Mapping[str, Rule] = {
    **_nouns(
        "child:kid children:kids man:guy men:guys gentleman:guy gentlemen:guys woman:gal "
        "women:gals mother:mom mothers:moms father:dad fathers:dads grandmother:grandma "
        "grandfather:grandpa dog:pooch dogs:pooches cat:kitty cats:kitties bicycle:bike "
        "bicycles:bikes motorcycle:motorbike motorcycles:motorbikes photograph:pic "
        "photographs:pics photo:pic photos:pics television:TV televisions:TVs telephone:phone "
        "refrigerator:fridge refrigerators:fridges airplane:plane airplanes:planes automobile:car "
        "automobiles:cars vegetables:veggies hamburger:burger hamburgers:burgers rabbit:bunny "
        "rabbits:bunnies teenager:teen teenagers:teens referee:ref bathtub:tub policeman:cop "
        "policemen:cops stomach:tummy microphone:mic doughnut:donut doughnuts:donuts "
        "individual:person individuals:people hippopotamus:hippo rhinoceros:rhino "
        "advertisement:ad people:folks"
    ),
    "picture": Rule("pic", "NN", behind=frozenset(("of",))),
    "pictures": Rule("pics", "NN", behind=frozenset(("of",))),
    "large": Rule("big", "J", never=listed("number amount quantity variety portion")),
    "enormous": Rule("huge", "J"),
    "talking": Rule("chatting", "V", behind=listed("on to with and while in at .")),
    "relaxing": Rule("chilling", "V", behind=_HERE),
    "sleeping": Rule("snoozing", "V", behind=_HERE | {"."}),
    "elderly": Rule("old", "J"),
    "adjacent to": Rule("next to"),
    "beside": Rule("next to", "IN"),
    "atop": Rule("on top of"),
    "seated": Rule("sitting", "V", before=_SITTING, behind=_HERE),
    "preparing to": Rule("getting ready to"),
    "prepares to": Rule("gets ready to"),
    "prepare to": Rule("get ready to"),
    "attempting to": Rule("trying to"),
    "attempts to": Rule("tries to"),
    **_with_object(eating="munching on", eats="munches on", consuming="munching on", observing="checking out"),
    **_of_persons(("many", "lots of"), ("several", "a bunch of"), ("a group of", "a bunch of")),
    **_of_persons(("numerous", "lots of")),
}  # fmt: skip

_NOUN_GUARDS_BEFORE = listed(
    "hot corn stuffed cell mobile teddy police fire snow gingerbread spider bat prairie chili "
    "dirt motor exercise of-the fishing snowman no fat big-wheel picnic stationary quad pay smart "
    "lawn hay ice cream wax"
)
_NOUN_GUARDS_BEHIND = listed("made hole size sized friendly like")


_Rules = Mapping[str, Sequence[tuple[tuple[str, ...], Rule]]]
"""First word -> the phrases that begin with it, longest first, with their rules."""


def _by_first_word(table: Mapping[str, Rule], contractions: Mapping[str, str]) -> _Rules:
    rules = {tuple(phrase.split()): rule for phrase, rule in table.items()}
    for old, new in contractions.items():
        be = any(form.endswith((" is", " are", " am")) for form in (old, new))
        rules[tuple(old.split())] = Rule(new, behind=_AFTER_SHORT_BE if be else None)
    found: dict[str, list[tuple[tuple[str, ...], Rule]]] = {}
    for phrase in sorted(rules, key=len, reverse=True):
        found.setdefault(phrase[0], []).append((phrase, rules[phrase]))
    return found


def _find(text: str, rules: _Rules) -> Sites:
    if rules.keys().isdisjoint(lowered(text)) and "'" not in text:
        return exchanges(text, ())
    words = Words(text)
    found, index = [], 0
    while index < len(words.lower):
        for phrase, rule in rules.get(words.lower[index], ()):
            length = len(phrase)
            tokens = words.tokens[index : index + length]
            fits = length == 1 or tuple(words.lower[index : index + length]) == phrase
            if fits and all(token.editable for token in tokens) and _holds(words, index, length, rule):
                found.append(Place(tokens[0].start, tokens[-1].end, (rule.other,)))
                index += length - 1
                break
        index += 1
    return exchanges(text, found)


def _holds(words: Words, index: int, length: int, rule: Rule) -> bool:
    """Whether a rule holds for the phrase of that length that begins at a place."""
    before, behind = words.word(index - 1), words.word(index + length)
    if rule.kind and not words.tag(index).startswith(rule.kind):
        return False
    if rule.before is not None and before not in rule.before:
        return False
    if rule.before is _SITTING and before in _BE and words.word(index - 2) not in ANIMATE:
        return False
    if (rule.behind is not None and behind not in rule.behind) or behind in rule.never:
        return False
    if rule.kind == "NN":
        return _is_alone(words, index)
    if rule.kind == "J":
        return words.is_noun(index + 1) or words.tag(index + 1).startswith("JJ")
    return before not in ("how", "so", "as", "too") or rule.kind != ""


def _is_alone(words: Words, index: int) -> bool:
    """Whether a noun stands by itself and is not a part of a name for another thing."""
    if words.is_noun(index - 1) or words.is_noun(index + 1) or words.tag(index + 1) == "POS":
        return False
    named = words.tag(index).startswith("NNP") and index > 0 and words.lower[index] not in ("tv", "tvs")
    return (
        not named
        and words.word(index - 1) not in _NOUN_GUARDS_BEFORE
        and words.word(index + 1) not in _NOUN_GUARDS_BEHIND
    )


_CASUAL_RULES = _by_first_word(_CASUAL, _CONTRACTIONS)
_FORMAL_RULES = _by_first_word(_FORMAL, {short.lower(): full for full, short in _CONTRACTIONS.items()})

casual = english_operator(lambda text: _find(text, _CASUAL_RULES))
formal = english_operator(lambda text: _find(text, _FORMAL_RULES))
