"""Which characters beyond ASCII the reference caption tokenizer accepts, and how it treats them.

Determined by running it (Stanford CoreNLP 3.4.1) on every character of the Basic Multilingual Plane: it knows letters
and combining marks up to about Unicode 6, treats some signs as tokens, and drops everything else, including emoji.
"""

from __future__ import annotations

from functools import lru_cache

_IN_WORDS = (
    "aa b5 ba c0-d6 d8-f6 f8-37e 384-481 483-487 48a-527 531-55f 561-587 58a-58c 591-5bd 5bf 5c1-5c2 5c4-5c5 "
    "5c7-5ee 5f0-5f2 615-61a 620-65e 660-669 66e-6d3 6d5-6ff 70f-7f5 7fa-7fc 800-815 81a 824 828 840-858 8a0 "
    "8a2-8ac 900-939 93c-94e 950-955 960-963 966-96f 971-977 979-97f 981-9f1 a01-a50 a5c-a6f a72-a74 a81-ae1 "
    "ae6-aef b05-b3b b3d b5f-b61 b66-b6f b71 b82-bd6 be6-bef c01-c03 c05-c33 c35-c3b c3d-c59 c60-c61 c66-c76 "
    "c85-cbb cbd cde-ce1 ce6-cff d05-d3a d3d-d49 d4e d60-d61 d66-d6f d7a-d80 d85-dc9 e01-e3e e40-e4e e50-e59 "
    "e81-e85 e87-e88 e8a-e8b e8d e94-e97 e99-e9f ea1-ea7 eaa-eab ead-f00 f20-f29 f40-f70 f88-f8c 1000-102a "
    "103f-1049 1050-1055 105a-105d 1061 1065-1066 106e-1070 1075-1081 108e 1090-1099 10a0-10fa 10fc-135c "
    "1380-138f 13a0-13f4 1401-166c 166f-169a 16a0-16ea 1700-170c 170e-1711 1720-1731 1740-1751 1760-1771 "
    "1780-17b3 17d7 17dc 17e0-17ef 1810-1877 1880-18a8 18aa-191c 1946-19af 19c1-19c7 19d0-19d9 1a00-1a16 "
    "1a20-1a54 1a80-1a9f 1aa7 1b05-1b33 1b45-1b4b 1b50-1b59 1b83-1ba0 1bae-1be5 1c00-1c23 1c40-1c7d 1ce9-1cec "
    "1cee-1cf1 1cf5-1cf6 1d00-1dbf 1e00-1fbc 1fc2-1fcc 1fd0-1fdc 1fe0-1fec 1ff2-1ffd 2010-2011 2071-2073 207f "
    "2090-209f 2102 2107 210a-2113 2115 2119-211d 2124 2128 212c-212d 212f-2139 213c-213f 2145-2149 214e "
    "2183-2184 2c00-2c2e 2c30-2c5e 2c60-2ce4 2ceb-2cee 2cf2-2cf8 2d00-2d6f 2d80-2ddf 2e2f 3005-3006 3031-3035 "
    "303b-303c 3041-3098 309d-309f 30a1-30fa 30fc-312d 3131-318f 31a0-31ba 31f0-31ff 3400-4db5 4e00-9fcc "
    "a000-a48f a4d0-a4fd a500-a60c a610-a66e a67f-a697 a6a0-a6e5 a717-a71f a722-a788 a78b-a78e a790-a793 "
    "a7a0-a7aa a7f8-a801 a803-a805 a807-a80a a80c-a822 a840-a873 a882-a8b3 a8d0-a8df a8f2-a8f7 a8fb a900-a925 "
    "a930-a946 a960-a97f a984-a9b2 a9cf-a9dd aa00-aa28 aa40-aa42 aa44-aa4b aa50-aa5b aa60-aa76 aa7a aa80-aaaf "
    "aab1 aab5-aab6 aab9-aabd aac0 aac2-aadd aae0-aaea aaf2-aaf4 ab01-ab2f abc0-abe2 abf0-dfff fa0e-fb1d "
    "fb20-fb28 fb4f-fbb1 fbd3-fd3d fd50-fdce fdf0-fdfb fe70-fefe ff10-ff19 ff21-ff3a ff41-ff5a ff66-ffdf "
)
"""Ranges of word characters: letters, digits, and their combining marks."""

_APART = (
    "a1 a5-a9 ac ae-b4 b6-b9 bf d7 f7 589 5be 5c0 5c3 5c6 5f3-603 606-60c 614 61b 61e-61f 66a 66d 6d4 700-70e "
    "7f6-7f8 964-965 e3f e4f 1fbd-1fbe 2016-2017 201a 201e-2023 2030-2038 203b 203e-2042 2044 2070 2074-207e "
    "2080-208f 20a4 2100-2101 2103-2106 2108-2109 2114 2116-2118 211e-2123 2125-2127 2129-212b 212e 213a-213b "
    "2140-2144 214a-214d 214f 2155-215e 2190-2bff 3001-3002 3012 30fb ff01-ff0f ff1a-ff20 ff3b-ff40 ff5b-ff65 "
    "ffe0-ffe1 ffe5-ffe7 "
)
"""Ranges of characters that are separate tokens."""

_SPELLED = "\x80¢£¤¼½¾₠€⅓⅔"
"""Signs that the Penn Treebank replaces by other characters."""

_SOFT_HYPHEN = "\xad"
_BEYOND_ASCII = 0x80


def _members(ranges: str) -> list[int]:
    bounds = (part.partition("-") for part in ranges.split())
    return [c for first, _, last in bounds for c in range(int(first, 16), int(last or first, 16) + 1)]


HYPHENS = "\u058a\u2010\u2011"
"""Hyphens other than ASCII's: they join words and are not tokens."""

MARKS = "".join(chr(c) for c in _members(_IN_WORDS) if not chr(c).isalnum() and chr(c) not in HYPHENS)
"""Word characters that Python's ``\\w`` does not match."""


class _Readable(dict[int, str]):
    """The replacement for a character: itself, itself between blanks, a blank, or nothing."""

    def __missing__(self, character: int) -> str:
        if character < _BEYOND_ASCII or chr(character).isspace():
            return chr(character)
        return " "


@lru_cache(maxsize=1)
def _readable() -> _Readable:
    apart = [*_members(_APART), *map(ord, _SPELLED)]
    kept = [*_members(_IN_WORDS), *map(ord, f"‘’“”«»…–—{HYPHENS}")]
    return _Readable({c: chr(c) for c in kept} | {c: f" {chr(c)} " for c in apart} | {ord(_SOFT_HYPHEN): ""})


def readable(caption: str) -> str:
    """A caption in characters that the reference accepts: signs are separated, dropped characters become blanks."""
    return caption if caption.isascii() else caption.translate(_readable())
