"""Synonyms that say the same in a caption, and words inserted from among them.

The pairs in ``data/synonyms.tsv`` stand in one synset of WordNet 3.0 each; of the 600 most frequent content words of
Flickr8k's captions with synonyms in a frequent sense, those were kept by reading that hold for what images show.
A word that is not there stays.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mafs_bench.corruptions.text.english import Place, Words, english_operator, exchanges, listed, lowered
from mafs_bench.corruptions.text.spans import Edit, Sites, pick, words
from mafs_bench.corruptions.text.tagging import inflect

TABLE = Path(__file__).parent / "data" / "synonyms.tsv"
_PARTS = {"N": "n", "V": "v", "J": "a", "R": "r"}
_TAGS = {"n": ("NN", "NNS"), "v": ("VB", "VBZ", "VBG", "VBD", "VBN"), "a": ("JJ",), "r": ("RB",)}
_ONLY_BEFORE = {
    ("attempt", "v"): "to",
    ("try", "v"): "to",
    ("begin", "v"): "to",
    ("start", "v"): "to",
    ("perform", "v"): "a an some tricks trick stunts the his her their",
    ("gather", "v"): "around round at in on together for near outside",
    ("talk", "v"): "on to with into while and at in . ,",
    ("speak", "v"): "on to with into while and at in . ,",
    ("stop", "v"): "at in on by next near beside behind . ,",
    ("dive", "v"): "into in off for",
    ("close", "v"): "the a his her its their",
    ("shut", "v"): "the a his her its their",
    ("raise", "v"): "his her its their a the",
    ("lift", "v"): "his her its their a the",
    ("relax", "v"): "on in at by near under with . , while and together beside",
    ("picture", "n"): "of",
    ("image", "n"): "of",
    ("use", "v"): "a an the his her their its",
}
"""Verbs and nouns that have their synonym's sense only in front of one of these."""
_AFTER_TRANSITIVE = frozenset(("a", "an", "the", "his", "her", "their", "its"))
_ONLY_WITH_OBJECT = frozenset(
    ("build", "construct", "fix", "repair", "hug", "embrace", "cross", "help", "assist")
)
_NEVER_AFTER = {
    ("rock", "n"): ("of", "punk", "hard", "classic"),
    ("tub", "n"): ("hot",),
    ("center", "n"): ("shopping", "community"),
    ("tie", "n"): ("railroad", "the"),
    ("animal", "n"): ("stuffed", "toy"),
    ("slope", "n"): ("ski",),
    ("bike", "n"): ("motor", "dirt", "quad"),
    ("carpet", "n"): ("red",),
    ("adult", "n"): ("young",),
    ("competition", "n"): ("in",),
    ("contest", "n"): ("in",),
}
"""Words that make another thing, or another sense, of the one behind them."""
_NOT_OF_SIZE = listed(
    "amount amounts number numbers quantity portion portions sized scale variety majority bit "
    "while league ben wheel toe open awake apart angle"
)
"""What ``a small``, ``a little``, ``a large`` and ``wide`` stand before in fixed expressions."""


def _synonyms(text: str) -> Sites:
    return exchanges(text, _places(text))


def _places(text: str) -> list[Place]:
    forms = _forms()
    if forms.keys().isdisjoint(lowered(text)):
        return []
    words = Words(text)
    found = []
    for index, token in enumerate(words.tokens):
        entries = forms.get(words.lower[index])
        if (
            entries is None
            or not token.editable
            or not (token.word.islower() or token.word.istitle() or token.word == "TV")
        ):
            continue
        kind = _PARTS.get(token.tag[:1], "")
        for lemma, others in entries.get(kind, ()):
            options = tuple(form for form in _in_form(others, token.tag) if form.lower() not in words.lower)
            if options and _fits(words, index, lemma, kind):
                found.append(Place(token.start, token.end, options))
                break
    return found


@lru_cache(maxsize=1024)
def _in_form(lemmas: tuple[str, ...], tag: str) -> tuple[str, ...]:
    return tuple(inflect(lemma, tag) for lemma in lemmas)


@lru_cache(maxsize=1)
def _forms() -> dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]]:
    """Every form of the words in the table: part of speech -> dictionary forms, with their synonyms."""
    found: dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        lemma, kind, names = line.split("\t")
        entry = (lemma, tuple(names.split("|")))
        for form in {inflect(lemma, tag) for tag in _TAGS[kind]}:
            found.setdefault(form, {}).setdefault(kind, []).append(entry)
    return found


def _fits(words: Words, index: int, lemma: str, kind: str) -> bool:
    """Whether the word stands there by itself, in the sense in which it has the synonym."""
    before, behind = words.word(index - 1), words.word(index + 1)
    if before in _NEVER_AFTER.get((lemma, kind), ()):
        return False
    if (lemma, kind) in _ONLY_BEFORE and behind not in _ONLY_BEFORE[lemma, kind].split():
        return False
    if kind == "n":
        return not (words.tag(index).startswith("NNP") and index) and not _in_compound(words, index)
    if kind == "v":
        return _verb_fits(words, index, lemma)
    if kind == "a":
        return (words.is_noun(index + 1) or words.tag(index + 1) == "JJ") and behind not in _NOT_OF_SIZE
    return lemma != "very" or words.tag(index + 1) in ("JJ", "RB")


def _in_compound(words: Words, index: int) -> bool:
    """Whether a noun is a part of a name for a thing in several words: "car park", "motor bike"."""
    return (
        words.is_noun(index - 1)
        or words.is_noun(index + 1)
        or (
            words.tag(index + 1) in ("VBG", "POS")
            and words.word(index + 2) in ("machine", "board", "room", "station")
        )
    )


def _verb_fits(words: Words, index: int, lemma: str) -> bool:
    behind = words.word(index + 1)
    if lemma in _ONLY_WITH_OBJECT and behind not in _AFTER_TRANSITIVE:
        return False
    if lemma == "sleep" and words.is_noun(index + 1):
        return False
    return not (words.tag(index) in ("VBG", "VBN") and words.is_noun(index + 1))


def _insertion(text: str) -> Sites:
    """In front of a word a synonym of one of them, else one of its content words again (EDA, Wei and Zou 2019)."""
    at = words(text)
    pool = [option for place in _places(text) for option in place.options]
    pool = pool or [
        token.word.lower()
        for token in Words(text).tokens
        if token.editable and token.tag[:1] in "NJ" and token.word.islower()
    ]

    def edit(place: int, draw: int) -> Edit:
        start, end = at[place]
        near = (text[start:end].lower(), text[slice(*at[place - 1])].lower() if place else "")
        first = pool.index(pick(pool, draw))
        new = next((word for word in (*pool[first:], *pool[:first]) if word.lower() not in near), pool[first])
        return start, start, new + " "

    return Sites(len(at), range(len(at)) if pool else (), edit)


synonym = english_operator(_synonyms)
word_insertion = english_operator(_insertion)
