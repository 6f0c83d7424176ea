"""Output to terminals and files that are not UTF-8: unsupported characters become ASCII, never an error."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "·": ".",
    "…": "...",
    "→": "->",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "’": "'",
    "“": '"',
    "”": '"',
    "─": "-",
    "━": "-",
    "│": "|",
    "█": "#",
    "τ": "tau",
    "ρ": "rho",
    "β": "beta",
    "α": "alpha",
    "Σ": "sum",
    "Δ": "delta",
}
_HANDLER = "mafs_bench.plain"


def make_output_safe() -> None:
    """Make stdout and stderr replace characters that their encoding lacks by ASCII."""
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace unencodable characters: by ``_PLAIN``, otherwise without accents, otherwise by ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_in_ascii, lacking)), error.end


def _in_ascii(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
