"""Tokenize captions as COCO's evaluation does: Penn Treebank rules, lower case, punctuation dropped.

The reference is the Java tokenizer that ``pycocoevalcap`` calls (Stanford CoreNLP 3.4.1, ``PTBTokenizer``).
This module implements its observable rules; an oracle test compares the two on real captions, other languages and
every character. Telephone numbers, file paths and the rarer smileys are not covered.
"""

from __future__ import annotations

import re
import unicodedata

from mafs_bench.metrics.caption_characters import HYPHENS, MARKS, readable

DROPPED = frozenset(
    [
        "''",
        "'",
        "``",
        "`",
        "-LRB-",
        "-RRB-",
        "-LCB-",
        "-RCB-",
        ".",
        "?",
        "!",
        ",",
        ":",
        "-",
        "--",
        "...",
        ";",
        *HYPHENS,
    ]
)
"""Tokens that the evaluation removes. It lists brackets in upper case only, so the lower-case ones stay."""

_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}

_SPELLED = str.maketrans({
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "£": "#", "€": "$", "¢": "cents", "½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "¤": "$", "₠": "$",
    "\x80": "$", "…": "...",
    "–": "--", "—": "--", "“": "``", "”": "''", "«": "``", "»": "''", "‘": "`", "’": "'", '"': "''",
})  # fmt: skip

_SPELLED_WITHIN = {c: text for c, text in _SPELLED.items() if c != ord("’")}

_PARTED = {
    "cannot": ("can", "not"), "gonna": ("gon", "na"), "gotta": ("got", "ta"), "lemme": ("lem", "me"),
    "gimme": ("gim", "me"), "wanna": ("wan", "na"), "'tis": ("'t", "is"), "'twas": ("'t", "was"),
}  # fmt: skip

_ABBREVIATIONS = (
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri "
    "mr mrs ms dr prof rev gen sen rep gov hon lt col capt cpl cmdr sgt maj adm ens supt pres messrs "
    "jr sr bros inc corp co ltd assn dept univ est etc al seq vs st ave blvd rd rt mt ft sq tel ph.d "
    "ala ariz ark calif colo conn del fla ga ill ind kan ky la md mich minn miss mo mont neb nev okla ore pa "
    "penn tenn tex va vt wash wis wyo"
)

_X = rf"(?:[^\W_½¼¾]|[{re.escape(MARKS)}])"  # a letter, a digit, or a combining mark
_WORD = rf"{_X}+(?:_+{_X}+)*"
_END = rf"(?!{_X})"

_PATTERNS = (
    r"https?://[^\s\"<>|()]+[^\s\"<>|.!?(){},;:-]",
    rf"{_WORD}(?:[.]{_WORD})*@{_WORD}(?:[.]{_WORD})*",
    r"</?[a-z][^<>\s]*>",
    rf"[:;=]['-]?[()dp\[\]]{_END}",  # smileys
    rf"(?:cannot|gonna|gotta|lemme|gimme|wanna|'tis|'twas){_END}",
    rf"{_X}+(?=n'?'t{_END})|n't{_END}",
    rf"'(?:s|m|d|re|ve|ll){_END}",
    rf"(?<!{_X})'(?:em|til|cause|n'?|\d\ds?){_END}",
    r"\d{1,2}([-/])\d{1,2}\1\d{2,4}(?!\d)",  # dates
    r"\d+[ -]\d+/\d+(?!\d)|\d+/\d+(?!\d)",  # fractions
    rf"(?:[a-z]\.)+[a-z]{_END}\.?|(?<!\w)[a-z]\.(?!{_X})",  # u.s. p.m. and initials
    rf"(?:{'|'.join(map(re.escape, _ABBREVIATIONS.split()))})\.(?!{_X})|no\.(?=\s*\d)",
    r"(?-i:[A-Z]+(?:&[A-Z]+)+)",
    rf"(?-i:[dDoOlLJ])'{_X}+(?:-{_WORD})*|(?:j|y)'(?={_X})",
    rf"(?:ma'am|cap'n|c'est|n'est|{_X}*qu'(?:ils?|un)){_END}",
    rf"#{_X}*[^\W\d_]{_X}*|@{_WORD}",
    rf"{_WORD}(?:[-/{HYPHENS}]{_WORD})+(?!'s)",
    r"[-+]?\d*(?:[.,:]\d+)+|[-+]\d+",
    rf"(?!\d){_WORD}(?:[.](?!\d){_WORD})*|{_WORD}",
    r"\.{3,}|-{2,}|[!?]+|``|''|\*+|_+",
    r"\S",
)
_TOKEN = re.compile("|".join(_PATTERNS), re.IGNORECASE)


def tokenize(caption: str) -> tuple[str, ...]:
    """Split a caption into lower-case tokens without punctuation, after NFC normalisation."""
    for entity, character in _ENTITIES.items():
        caption = caption.replace(entity, character)
    caption = readable(unicodedata.normalize("NFC", caption))
    found = _TOKEN.finditer(caption.replace("’", "'"))
    words = (_curled(match.group().lower(), caption[match.start() : match.end()]) for match in found)
    tokens = (token for word in words for token in _PARTED.get(word, (_spell(word),)))
    return tuple(token for token in tokens if token not in DROPPED)


_CLITICS = frozenset({"n't", "'s", "'m", "'d", "'re", "'ve", "'ll", "'"})


def _curled(word: str, written: str) -> str:
    """The word with its original apostrophe: the Treebank straightens only those of clitics."""
    return word if word in _CLITICS or "’" not in written else written.lower()


def _spell(token: str) -> str:
    """Write brackets, currencies, fractions, quotes and dashes as the Treebank does."""
    if len(token) > 1 and set(token) <= {".", "-"}:
        return "..." if token[0] == "." else "--"
    return token.translate(_SPELLED) if len(token) == 1 else token.translate(_SPELLED_WITHIN)
