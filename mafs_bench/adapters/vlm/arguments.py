"""What ``--model-args`` may set of a generative model of transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from mafs_bench.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Arguments:
    """Settings beyond device, precision and batch size; None: as the prompt file or the checkpoint says.

    max_new_tokens: where generation ends. device_map: as in transformers ("auto" spreads a model over devices).
    load_in_8bit, load_in_4bit: quantise while loading (package bitsandbytes). attn_implementation: "eager", "sdpa",
    "flash_attention_2". chat_template: a Jinja file in place of the checkpoint's. min_pixels, max_pixels: bounds of the
    processor (Qwen). rerank: candidates of the first stage that are put in order.
    """

    max_new_tokens: int | None = None
    device_map: str | None = None
    load_in_8bit: bool = False
    load_in_4bit: bool = False
    attn_implementation: str | None = None
    chat_template: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    rerank: int = 16

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Arguments:
        """Read ``--model-args``. Raises ``UnknownNameError`` or ``UsageError``."""
        values: dict[str, Any] = {}
        for key, text in given.items():
            if key not in _READERS:
                raise UnknownNameError("model argument", key, [*_READERS, "dtype"])
            values[key] = _READERS[key](key, text)
        if values.get("load_in_8bit") and values.get("load_in_4bit"):
            raise UsageError("--model-args load_in_8bit and load_in_4bit: give one of them")
        return cls(**values)

    @property
    def quantised(self) -> bool:
        """Whether weights are quantised while they are loaded."""
        return self.load_in_8bit or self.load_in_4bit


def _count(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--model-args {key}={text}: allowed is a whole number from 1")
    return int(text)


def _truth(key: str, text: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise UsageError(f"--model-args {key}={text}: allowed are true and false")
    return text.casefold() == "true"


def _word(key: str, text: str) -> str:
    return text


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "max_new_tokens": _count,
    "device_map": _word,
    "load_in_8bit": _truth,
    "load_in_4bit": _truth,
    "attn_implementation": _word,
    "chat_template": _word,
    "min_pixels": _count,
    "max_pixels": _count,
    "rerank": _count,
}
assert set(_READERS) == {field.name for field in fields(Arguments)}
