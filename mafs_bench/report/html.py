"""Self-contained HTML pages: templates with style and script inside, nothing fetched."""

from __future__ import annotations

import base64
import json
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mafs_bench.types import Estimate


def render(template: str, **context: Any) -> str:
    """Fill a template of ``report/web``; everything that is put in is escaped."""
    return _environment().get_template(template).render(**context)


def script_data(data: Any) -> Markup:
    """JSON that is safe inside a ``<script>`` element. Raises ``ValueError`` for NaN."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def data_uri(raw: bytes, kind: str) -> str:
    """Put bytes into an address, ``kind`` as in ``image/webp``."""
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def rounded(value: float | None, digits: int = 4) -> float | None:
    """Round for a page; None stays None, and minus zero is zero."""
    return None if value is None else round(value, digits) + 0.0


def triple(estimate: Estimate) -> list[float | None]:
    """Value, low and high of an estimate, rounded."""
    return [rounded(estimate.value), rounded(estimate.low), rounded(estimate.high)]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = lambda name: Markup(_source(name))
    return environment


def _source(name: str) -> str:
    return resources.files("mafs_bench.report").joinpath("web", name).read_text(encoding="utf-8")
