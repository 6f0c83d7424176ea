"""What ``--model-args`` may set of a model behind an endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mafs_bench.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Arguments:
    """key_variable: the environment variable that holds the key; None: ``OPENAI_API_KEY``, where there is one.

    timeout: seconds until an answer must be there. attempts: how often a request is sent before the run ends.
    max_new_tokens: where answers end; None: as the prompt file says.
    """

    key_variable: str | None = None
    timeout: float = 120.0
    attempts: int = 6
    max_new_tokens: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Arguments:
        """Read ``--model-args``. Raises ``UnknownNameError`` or ``UsageError``."""
        allowed = [field.name for field in fields(cls)]
        for key in given:
            if key not in allowed:
                raise UnknownNameError("model argument of api:", key, allowed)
        plain, tokens = cls(), given.get("max_new_tokens")
        return cls(
            given.get("key_variable"),
            _seconds("timeout", given.get("timeout", str(plain.timeout))),
            _count("attempts", given.get("attempts", str(plain.attempts))),
            None if tokens is None else _count("max_new_tokens", tokens),
        )

    def identity(self) -> dict[str, object]:
        """Those that can change an answer."""
        return {"max_new_tokens": self.max_new_tokens}


def _seconds(key: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f"--model-args {key}={text}: allowed are seconds above 0")
    return seconds


def _count(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--model-args {key}={text}: allowed is a whole number from 1")
    return int(text)
