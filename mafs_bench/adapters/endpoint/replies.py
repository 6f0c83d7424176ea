"""Requests and replies of the chat completions interface."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

JsonTable = Mapping[str, object]
TOP = 20
"""How many of the most probable first tokens are asked for; no server gives more."""


_LEAST = -9999.0


class MalformedReplyError(ValueError):
    """A reply that is no chat completion."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which parameters a server takes; ``agree`` finds out.

    logprobs: asked for. limit: the name of the token limit. temperature: whether 0 may be asked for.
    """

    logprobs: bool = True
    limit: str = "max_tokens"
    temperature: bool = True

    def plain(self) -> Dialect:
        """The same without log-probabilities: a server that ignores the question need not be asked it."""
        return replace(self, logprobs=False)

    def without(self, complaint: str) -> Dialect | None:
        """The dialect to try where a server refused this one with a complaint; None where nothing else is left."""
        if self.logprobs and "logprob" in complaint:
            return replace(self, logprobs=False)
        if self.limit == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in complaint:
            return replace(self, temperature=False)
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """One question: the prompt, the image's digest ("" for none) and the most tokens of the answer."""

    message: str
    image: str
    max_tokens: int

    def table(self, model: str, dialect: Dialect, image: str) -> dict[str, object]:
        """The request as JSON, with the image by this URL."""
        shown = [{"type": "image_url", "image_url": {"url": image}}] if image else []
        content = [*shown, {"type": "text", "text": self.message}]
        table: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            dialect.limit: self.max_tokens,
        }
        if dialect.temperature:
            table["temperature"] = 0
        if dialect.logprobs:
            table |= {"logprobs": True, "top_logprobs": TOP}
        return table

    def key(self, url: str, model: str, dialect: Dialect) -> str:
        """SHA-256 of the whole request; an image counts by its pixels, however it is encoded."""
        table = self.table(model, dialect, f"sha256:{self.image}" if self.image else "")
        return hashlib.sha256(json.dumps([url, table], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its text ("" for none), why it ended, and the model's name as the server gives it.

    refused: the server says that the model refused, or that it was filtered. log_probability: of each token, None where
    the server gives none. first: the most probable first tokens with their log-probabilities. seconds: until it came.
    """

    text: str
    finish: str
    served: str
    refused: bool = False
    log_probability: Sequence[float] | None = None
    first: Sequence[tuple[str, float]] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

    def to_json(self) -> str:
        """As plain JSON."""
        return json.dumps(asdict(self))

    @property
    def confidence(self) -> float | None:
        """Geometric mean of the probabilities of the tokens; None where the server gives none."""
        if not self.log_probability:
            return None
        return float(min(1.0, np.exp(np.mean(self.log_probability))))

    def probability(self, yes: str, no: str) -> float:
        """P(yes) / (P(yes) + P(no)) of the first token; NaN where neither is among the most probable.

        A word that is not among them counts as the least probable of them.
        """
        found = {word: [p for token, p in self.first if _same(token, word)] for word in (yes, no)}
        if not any(found.values()):
            return math.nan
        least = min(p for _, p in self.first)
        first, second = (np.logaddexp.reduce(found[word] or [least]) for word in (yes, no))
        return float(1 / (1 + np.exp(second - first)))


def _same(token: str, word: str) -> bool:
    return token.strip().casefold() == word.strip().casefold()


def read_reply(body: bytes, seconds: float) -> Reply:
    """Read a chat completion. Raises ``MalformedReplyError``."""
    try:
        table = json.loads(body)
        choice = table["choices"][0]
        message, usage = choice["message"], table.get("usage") or {}
        content, refusal = message.get("content"), message.get("refusal")
        finish = str(choice.get("finish_reason") or "")
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content)
        if content is not None and not isinstance(content, str):
            raise MalformedReplyError("its content is no text")
        refused = bool(refusal) or finish == "content_filter"
        steps = (choice.get("logprobs") or {}).get("content") or []
        return Reply(
            "" if refused else (content or "").encode(errors="replace").decode(),  # no lone surrogates
            finish,
            str(table.get("model") or ""),
            refused,
            [_log_probability(step) for step in steps] if steps else None,
            [(str(top["token"]), _log_probability(top)) for top in steps[0].get("top_logprobs") or ()]
            if steps
            else (),
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
            round(seconds, 4),
        )
    except MalformedReplyError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedReplyError(f"{type(error).__name__}: {error}") from error


def _log_probability(step: JsonTable) -> float:
    """A log-probability; servers give -inf or -9999 for next to none. Raises ``MalformedReplyError`` for NaN."""
    value = float(str(step["logprob"]))
    if math.isnan(value):
        raise MalformedReplyError("a log-probability is not a number")
    return min(0.0, max(value, _LEAST))
