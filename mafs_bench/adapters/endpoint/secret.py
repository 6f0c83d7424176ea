"""The key of an endpoint: read from the environment, shown nowhere."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from mafs_bench.errors import UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORTEST = 6
"""Shorter keys are placeholders for servers that need none, and may be a word of an answer."""


class Secret:
    """A key, "" for none. Its text leaves by ``headers`` alone."""

    def __init__(self, key: str = "") -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Secret(***)"

    def headers(self) -> dict[str, str]:
        """The header that carries the key; none without one."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def redact(self, text: str) -> str:
        """A text without the key, for whatever a server repeats of it."""
        if len(self._key) < _SHORTEST:
            return text
        for form in {self._key, quote(self._key, safe="")}:
            text = text.replace(form, "***")
        return text


def read_key(variable: str | None) -> Secret:
    """The key in an environment variable; None: ``OPENAI_API_KEY``, where there is one.

    Raises ``UsageError``, which never repeats what was given: it may be the key itself.
    """
    if variable is not None and not _NAME.fullmatch(variable):
        raise UsageError(
            "--model-args key_variable: allowed is the name of an environment variable, never a key"
        )
    key = os.environ.get(variable or KEY_VARIABLE, "").strip()
    if variable is not None and not key:
        raise UsageError("--model-args key_variable: there is no such environment variable, or it is empty")
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise UsageError(
            "the key in the environment holds characters that no header can carry (a blank, a line end)"
        )
    return Secret(key)
