"""Sentence corruptions by rule: passive, active, negation.

A clause is a run of tagged words: noun phrase, verb group, noun phrase. Where a rule finds none, or where the
verb takes no object, the corruption is not applicable. ``rate`` is a share of the clauses that a rule finds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mafs_bench.corruptions.text.spans import Edit, Sites, span_operator
from mafs_bench.corruptions.text.tagging import Token, inflect, lemma_of, match_case, tagged

_NO_OBJECT = frozenset(
    ("be", "become", "seem", "look", "sit", "stand", "lie", "lay", "go", "come", "walk", "stay", "remain", "have")
)  # fmt: skip
_OBJECT_FORM = {"i": "me", "he": "him", "she": "her", "we": "us", "they": "them"}
_SUBJECT_FORM = {form: subject for subject, form in _OBJECT_FORM.items()}
_KINDS = {
    "DT": "d", "PRP$": "d", "CD": "d", "JJ": "j", "JJR": "j", "JJS": "j", "NN": "n", "NNS": "n", "NNP": "n",
    "NNPS": "n", "PRP": "p", "VBZ": "z", "VBP": "z", "VBD": "v", "VBG": "g", "VBN": "v", "VB": "z", "IN": "i",
    "CC": "c", "MD": "m",
}  # fmt: skip
_BEFORE_NOUNS = frozenset(("DT", "IN", "JJ", "MD", "PRP$"))
"""What follows one of these is read as a noun, whatever its tag."""

_BE = frozenset(("is", "are", "was", "were"))

_PHRASE = "(?:d?d?[jv]*n+|p)"
_START = r"(?:^|(?<=\.))"
_ENDS = f"(?![nvjm]|c{_PHRASE})"
_SUBJECT = f"{_PHRASE}(?:[ioc]{_PHRASE})*"
_OBJECT = f"{_PHRASE}(?:[oc]{_PHRASE})*"
_ACTIVE = re.compile(f"{_START}(?P<subject>{_SUBJECT})(?P<be>b?)(?P<verb>[zvg])(?P<object>{_OBJECT}){_ENDS}")
_PASSIVE = re.compile(
    f"{_START}(?P<object>{_SUBJECT})(?P<be>b)(?P<being>e?)(?P<verb>v)y(?P<subject>{_OBJECT}){_ENDS}"
)
_REDUCED = re.compile(f"(?<=n)(?P<group>e?(?P<verb>v)y)(?P<subject>{_OBJECT}){_ENDS}")


@dataclass(frozen=True, slots=True)
class Clause:
    """Subject, verb group and object as tokens; ``be`` is the auxiliary that stands in the text, or empty."""

    subject: Sequence[Token]
    verb: Token
    object: Sequence[Token]
    be: str
    progressive: bool


def _letter(token: Token) -> str:
    """One letter a token, so that a clause is a regular expression; ``.`` a mark, ``-`` anything else."""
    word = token.word.lower()
    if not token.editable:
        return "-" if word.isalnum() else "."
    special = {"by": "y", "being": "e", "of": "o"}.get(word) or ("b" if word in _BE else None)
    return special or _KINDS.get(token.tag, "-")


def _active_clauses(tokens: Sequence[Token]) -> list[Clause]:
    shape, clauses = "".join(map(_letter, tokens)), []
    for match in _ACTIVE.finditer(shape):
        verb, be = tokens[match.start("verb")], match["be"]
        if lemma_of(verb.word, "VB") in _NO_OBJECT or (be and match["verb"] != "g"):
            continue
        clauses.append(
            Clause(
                tokens[slice(*match.span("subject"))],
                verb,
                tokens[slice(*match.span("object"))],
                tokens[match.start("be")].word.lower() if be else "",
                match["verb"] == "g",
            )
        )
    return clauses


def _passive_clauses(tokens: Sequence[Token]) -> list[Clause]:
    shape = "".join(map(_letter, tokens))
    return [
        Clause(
            tokens[slice(*match.span("subject"))],
            tokens[match.start("verb")],
            tokens[slice(*match.span("object"))],
            tokens[match.start("be")].word.lower(),
            bool(match["being"]),
        )
        for match in _PASSIVE.finditer(shape)
    ]


def _to_passive(clause: Clause) -> str:
    """``A man is riding a horse`` -> ``a horse is being ridden by a man``; participles likewise."""
    past = clause.be in ("was", "were") or clause.verb.tag == "VBD"
    participle = inflect(lemma_of(clause.verb.word, "VB"), "VBN")
    finite = bool(clause.be) or not clause.progressive
    helpers = [_be(clause.object, past)] * finite + ["being"] * clause.progressive
    return " ".join([*helpers, participle, "by"])


def _to_active(clause: Clause) -> str:
    """``A horse is being ridden by a man`` -> ``a man is riding a horse``."""
    lemma, past = lemma_of(clause.verb.word, "VB"), clause.be in ("was", "were")
    if clause.progressive:
        return f"{_be(clause.subject, past)} {inflect(lemma, 'VBG')}"
    return inflect(lemma, "VBD") if past else _present(lemma, clause.subject)


def _present(lemma: str, subject: Sequence[Token]) -> str:
    return lemma if _plural(subject) else inflect(lemma, "VBZ")


def _plural(phrase: Sequence[Token]) -> bool:
    """Whether things are listed, or the head noun, the last before any preposition, is plural."""
    if any(token.tag == "CC" for token in phrase):
        return True
    until = next((k for k, token in enumerate(phrase) if token.tag == "IN"), len(phrase))
    head = phrase[until - 1]
    return head.tag in ("NNS", "NNPS") or head.word.lower() in ("they", "them", "we", "us", "you", "people")


def _be(phrase: Sequence[Token], past: bool) -> str:
    return {(False, False): "is", (False, True): "was", (True, False): "are", (True, True): "were"}[
        _plural(phrase), past
    ]


def _exchanged(text: str, clause: Clause, verb_group: str) -> Edit:
    """Exchange what stands before the verb and what behind, around a new verb group."""
    before, behind = sorted((clause.subject, clause.object), key=lambda phrase: phrase[0].start)
    start, end = before[0].start, behind[-1].end
    leading = match_case(_written(text, behind, _SUBJECT_FORM), text[start])
    return start, end, f"{leading} {verb_group} {_lowered(_written(text, before, _OBJECT_FORM), before)}"


def _chosen(edits: list[Edit]) -> Sites:
    return Sites(len(edits), edits, lambda edit, draw: edit)


def _passive(text: str) -> Sites:
    return _chosen([_exchanged(text, c, _to_passive(c)) for c in _active_clauses(tagged(text))])


def _active(text: str) -> Sites:
    tokens = tagged(text)
    clauses = [_exchanged(text, clause, _to_active(clause)) for clause in _passive_clauses(tokens)]
    return _chosen([*clauses, *_relative_clauses(text, tokens)])


def _relative_clauses(text: str, tokens: Sequence[Token]) -> list[Edit]:
    """``a sleigh driven by a woman`` -> ``a sleigh that a woman drives``."""
    edits = []
    for match in _REDUCED.finditer("".join(map(_letter, tokens))):
        subject, verb = tokens[slice(*match.span("subject"))], tokens[match.start("verb")]
        present = _present(lemma_of(verb.word, "VB"), subject)
        new = f"that {_written(text, subject, _SUBJECT_FORM)} {present}"
        edits.append((tokens[match.start("group")].start, subject[-1].end, new))
    return edits


def _written(text: str, phrase: Sequence[Token], pronouns: dict[str, str]) -> str:
    written = text[phrase[0].start : phrase[-1].end]
    return pronouns.get(written.lower(), written)


def _lowered(written: str, phrase: Sequence[Token]) -> str:
    """Inside the sentence only names keep their capital."""
    return written if phrase[0].tag.startswith("NNP") else written[:1].lower() + written[1:]


def _negation(text: str) -> Sites:
    """Deny the verbs; where there is none, the things (``a dog`` -> ``no dog``)."""
    tokens = tagged(text)
    edits = list(filter(None, map(_denied, tokens, (None, *tokens[:-1])))) or [
        (token.start, token.end, match_case("no", token.word))
        for token in tokens
        if token.editable and token.word.lower() in ("a", "an", "the", "some")
    ]
    return _chosen(edits)


def _denied(token: Token, before: Token | None) -> Edit | None:
    word = token.word.lower()
    if not token.editable:
        return None
    if word in _BE:
        return token.end, token.end, " not"
    if before is None or before.word.lower() in _BE or before.tag in _BEFORE_NOUNS:
        return None
    if token.tag == "VBG":
        return token.start, token.start, "not "
    if token.tag in ("VBZ", "VBP") and lemma_of(word, token.tag) not in ("be", "have"):
        helper = "does" if token.tag == "VBZ" else "do"
        return token.start, token.end, f"{helper} not {lemma_of(word, token.tag)}"
    return None


passive = span_operator(_passive)
active = span_operator(_active, exclusive=True)
negation = span_operator(_negation)
