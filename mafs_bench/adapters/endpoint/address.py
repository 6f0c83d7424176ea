"""Where a model is served: ``MODEL@URL``, or ``MODEL`` with the URL in ``OPENAI_BASE_URL``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from mafs_bench.errors import UsageError

URL_VARIABLE = "OPENAI_BASE_URL"
_FORM = "allowed: api:MODEL@URL, as in api:qwen2.5-vl@http://localhost:8000/v1"


@dataclass(frozen=True, slots=True)
class Address:
    """A model's name on a server, and the base URL of that server's interface, without a slash at its end."""

    model: str
    url: str

    @classmethod
    def parse(cls, argument: str) -> Address:
        """Split at the last ``@http``; without one the URL is that of ``OPENAI_BASE_URL``. Raises ``UsageError``."""
        model, at, rest = argument.rpartition("@http")
        url = f"http{rest}" if at else os.environ.get(URL_VARIABLE, "")
        model = model if at else argument
        if not url:
            raise UsageError(f"api:{argument} names no server; {_FORM}, or the URL in {URL_VARIABLE}")
        if not model.strip():
            raise UsageError(f"api: names no model of the server; {_FORM}")
        return cls(model.strip(), _checked(url.strip()))


def _checked(url: str) -> str:
    """A base URL. What may hold a password is refused and not repeated."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"the URL of api: cannot be read; {_FORM}") from None
    if "@" in parts.netloc:
        raise UsageError(
            "the URL of api: holds a user name or a password; the key is read from OPENAI_API_KEY"
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "the URL of api: has a query or a fragment; allowed: scheme, host, port and path (the key is read from "
            "OPENAI_API_KEY)"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(f"api: cannot use the URL {url!r}; {_FORM}")
    return url.rstrip("/")
