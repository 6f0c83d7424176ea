"""The language of a data set's texts, decided once over all of them by script and function words.

The rules of English are applied to English alone: what they would make of another language is no sentence of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from mafs_bench.errors import UsageError

UNDECIDED = "und"
"""ISO 639's code for texts whose language this rule cannot tell."""

_FUNCTION_WORDS = {
    "en": "the of and to in is on with his her are that at an its while from near their by for as this what how "
    "which there some two a many does it",
    "de": "der die das und ein eine einen einem einer ist auf mit im den dem zu von nicht sich sind am ihr",
    "fr": "à l d le la les un une des du et est sur dans avec qui au aux en son sa ses pour deux devant",
    "es": "el la los las un una unos unas y es en con que de del al por su sus sobre dos para está",
    "it": "il lo la gli le un una uno e è su con che di del della nel nella per in sono mentre due",
    "pt": "o a os as um uma uns e é em com que de do da no na por seu sua dois está para",
    "nl": "de het een en is op met van in aan die zijn voor naar bij te twee niet door",
    "sv": "en ett och är på med som i av till för den det sig står sitter två vid",
    "da": "en et og er på med som i af til den det sig står sidder to ved der",
    "nb": "en et og er på med som i av til den det seg står sitter to ved",
    "fi": "ja on ei se joka kaksi mies nainen kanssa päällä vieressä",
    "pl": "i w na z się jest do nie przez przy dwa dwie oraz stoi siedzi który",
    "cs": "a v na se s je do ne při dva dvě který která stojí sedí u",
    "ro": "un o și în pe cu este la de din care sunt lângă doi două",
    "hu": "a az egy és van nem hogy aki egyik mellett két áll ül",
    "tr": "bir ve bu ile için üzerinde olan adam kadın yanında iki da de",
    "id": "yang di dan seorang sebuah dengan ke dari sedang dua ini itu pada",
    "vi": "một và của trên với đang người trong các là có hai những cho",
}
_LANGUAGES_OF: dict[str, set[str]] = {}
for _language, _words in _FUNCTION_WORDS.items():
    for _word in _words.split():
        _LANGUAGES_OF.setdefault(_word, set()).add(_language)

_ENGLISH = frozenset(_FUNCTION_WORDS["en"].split())
_OTHERS = frozenset(word for word, languages in _LANGUAGES_OF.items() if "en" not in languages)

_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "ARABIC": "ar", "HEBREW": "he",
    "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "THAI": "th", "GREEK": "el", "CYRILLIC": "ru",
    "ARMENIAN": "hy", "GEORGIAN": "ka",
}  # fmt: skip
"""The first word of a letter's Unicode name, and the language that is most often written so."""

_WORD = re.compile(r"[^\W\d_]+")
_ENOUGH = 2_000
"""Texts that are read at most: more do not change the answer."""


def require_code(language: str) -> str:
    """The language, if it is written as a code. Raises ``UsageError``."""
    if not re.fullmatch(r"[a-z]{2,3}", language):
        raise UsageError(f"language {language!r}; allowed: an ISO 639-1 code such as en, de or zh")
    return language


def language_of(texts: Iterable[str]) -> str:
    """The language of texts as an ISO 639-1 code; ``und`` where neither script nor function words tell.

    A script other than Latin decides by itself where most letters belong to it (a language per script: Cyrillic is
    taken for Russian); else the language to which most of the function words belong.
    """
    scripts: Counter[str] = Counter()
    votes: Counter[str] = Counter()
    for number, text in enumerate(texts):
        if number == _ENOUGH:
            break
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        scripts.update(_scripts_of(text))
        for word in _WORD.findall(text.lower()):
            votes.update(_LANGUAGES_OF.get(word, ()))
    foreign = {script: count for script, count in scripts.items() if script != "latin"}
    if sum(foreign.values()) > scripts["latin"]:
        # Japanese is written with Chinese characters too, and never without its own.
        return "ja" if scripts["ja"] else max(sorted(foreign), key=foreign.__getitem__)
    if not votes:
        return UNDECIDED
    best = max(votes.values())
    winners = sorted(language for language, count in votes.items() if count == best)
    return "en" if "en" in winners else winners[0]


def speaks(text: str, wanted: str, language: str = "") -> bool:
    """Whether a text is in the language ``wanted``: by its data set's ``language``, or, where that is empty or not
    decided, by the text alone, which is taken for it unless another language shows.
    """
    if language and language != UNDECIDED:
        return language == wanted
    if wanted == "en" and text.isascii():
        # As below, at a tenth of the cost: nearly every caption.
        written = text.lower().split()
        if _OTHERS.isdisjoint(written) and not _ENGLISH.isdisjoint(written):
            return True
    found = language_of([text])
    return found == wanted or (found == UNDECIDED and text.isascii())


def _scripts_of(text: str) -> Counter[str]:
    if text.isascii():
        return Counter(latin=sum(map(str.isalpha, text)))
    counts: Counter[str] = Counter()
    for letter in text:
        if letter.isascii():
            counts["latin"] += letter.isalpha()
        elif letter.isalpha():
            script = unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
            counts[_SCRIPTS.get(script, "latin" if script == "LATIN" else UNDECIDED)] += 1
    return counts
