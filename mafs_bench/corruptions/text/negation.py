"""Negation: a caption that denies nothing yet is denied once, at its first verb, else at its first thing."""

from __future__ import annotations

from mafs_bench.corruptions.text.clauses import BE, VERBS, phrase
from mafs_bench.corruptions.text.english import Words, english_operator, listed, ready_made
from mafs_bench.corruptions.text.spans import Edit, Sites
from mafs_bench.corruptions.text.tagging import inflect, lemma_of

_DENIED = listed(
    "no not never nobody nothing none nowhere neither nor without cannot hardly barely scarcely "
    "lack lacks lacking missing non unable except"
)
"""Words that deny, beside every ``n't``."""
_NO_AMOUNT = listed("few lot couple bunch pair variety number little bit while various")
_QUESTION_WORDS = listed("what who whom whose which where when why how")
_ASKING = listed("is are was were do does did has have had can could will would should may might am")
_AFTER_BE = ("VBG", "VBN", "JJ", "IN", "DT", "VBD", "TO")
_NOT_AFTER_BE = listed("all both also just there either that what each")
_NOUNS_OF_PARTICIPLES = listed(
    "board boards room rooms lot lots pool area machine light lights table track tracks station "
    "cart carts wheel bag sign meter meters center court dish oven glasses trunks boots gear "
    "season bowl pan rink game games bench"
)


def _negation(text: str) -> Sites:
    words = Words(text)
    if (
        not _DENIED.isdisjoint(words.lower)
        or "n't" in text
        or "n’t" in text
        or "N'T" in text
        or "non-" in text
    ):
        return ready_made([])
    if words.word(0) in _QUESTION_WORDS | _ASKING or "?" in words.lower:
        edit = _denied_question(text, words)
    else:
        edit = _denied_there(text, words) or _denied_verb(text, words) or _denied_thing(text, words)
    if edit and text.isupper():
        edit = (*edit[:2], edit[2].upper())
    return ready_made([edit] if edit else [])


def _denied_question(text: str, words: Words) -> Edit | None:
    """``Is there a dog?`` -> ``Is there no dog?``; ``What is the man holding?`` -> ``What is the man not holding?``."""
    if words.word(0) in BE and words.word(1) == "there":
        return _no(text, words, 2)
    if words.word(0) not in ("what", "why", "where", "who") or words.word(1) not in BE:
        return None
    subject = phrase(words, 2)
    if subject is None or words.tag(subject.end) != "VBG" or words.word(subject.end) == "being":
        return None
    return _inserted(words, subject.end, "not")


def _denied_there(text: str, words: Words) -> Edit | None:
    """``There is a dog`` -> ``There is no dog``; ``There are two dogs`` -> ``There are not two dogs``."""
    if words.word(0) != "there" or words.word(1) not in BE:
        return None
    if words.tag(2) == "CD" or words.word(2) == "many":
        return _inserted(words, 2, "not")
    if words.tag(2) == "NNS" or words.word(2) == "people":
        return _inserted(words, 2, "no")
    return _no(text, words, 2)


def _denied_verb(text: str, words: Words) -> Edit | None:
    """The first verb: ``is not``, ``does not ride``, ``not riding``."""
    if words.word(0) == "there":
        return None
    for index, token in enumerate(words.tokens):
        word, before = words.lower[index], words.word(index - 1)
        if not token.editable or index == 0:
            continue
        if word in BE:
            fits = words.tag(index + 1) in _AFTER_BE and words.word(index + 1) not in _NOT_AFTER_BE
            return _inserted(words, index + 1, "not") if fits else None
        if token.tag == "VBG" and words.is_noun(index - 1):
            fits = lemma_of(word, "VBG") in VERBS and words.word(index + 1) not in _NOUNS_OF_PARTICIPLES
            return _inserted(words, index, "not") if fits and not before.endswith("'s") else None
        if token.tag in ("VBZ", "VBP", "VB", "VBD", "MD"):
            return _finite_denied(words, index)
    return None


def _finite_denied(words: Words, index: int) -> Edit | None:
    """``does not`` or ``do not`` in front of a verb whose subject begins the sentence and agrees with it."""
    token, word = words.tokens[index], words.lower[index]
    subject = phrase(words, 0)
    if subject is None or words.word(subject.end) == "and":
        return None
    lemma = lemma_of(word, "VB")
    if subject.end != index or lemma not in VERBS or words.word(index + 1) in ("and", "or"):
        return None
    if not subject.plural and word == inflect(lemma, "VBZ"):
        return token.start, token.end, f"does not {lemma}"
    if subject.plural and word == lemma:
        return token.start, token.end, f"do not {lemma}"
    return None


def _denied_thing(text: str, words: Words) -> Edit | None:
    """``A plate of food`` -> ``No plate of food``, where no verb stands that could be denied."""
    if any(tag.startswith(("VB", "MD")) for tag in map(words.tag, range(len(words.lower)))):
        return None
    return _no(text, words, 0)


def _no(text: str, words: Words, index: int) -> Edit | None:
    if words.word(index) not in ("a", "an", "some", "any") or words.word(index + 1) in _NO_AMOUNT:
        return None
    token = words.tokens[index]
    thing = phrase(words, index, places=False)
    if not token.editable or thing is None or words.word(thing.end) == "and":
        return None
    return token.start, token.end, "No" if text[token.start].isupper() else "no"


def _inserted(words: Words, index: int, new: str) -> Edit | None:
    token = words.tokens[index]
    return (token.start, token.start, f"{new} ") if token.editable else None


negation = english_operator(_negation, articles=False)
