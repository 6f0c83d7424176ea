"""Docstrings as Markdown: doctests become code, and "name: meaning. name: meaning." becomes a list."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import griffe

_SENTENCE = re.compile(r"(?:^|(?<=[.;)] ))((?:\w+, )*\w+): ", re.MULTILINE)


def fence(text: str) -> str:
    """Put each run of doctest lines, up to the next blank line, into a ``pycon`` block."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        starts = line.lstrip().startswith(">>>")
        if starts and not inside:
            lines += ["", "```pycon"]
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line)
    return "\n".join([*lines, "```"] if inside else lines)


def listed(text: str, names: Collection[str]) -> str:
    """Make a list of what a paragraph says of ``names``: parameters of a function, attributes of a class."""
    return "\n\n".join(_listed(paragraph, names) for paragraph in text.split("\n\n"))


def _listed(paragraph: str, names: Collection[str]) -> str:
    flat = " ".join(paragraph.split())
    starts = [m for m in _SENTENCE.finditer(flat) if all(name in names for name in m.group(1).split(", "))]
    if not starts or ">>>" in paragraph:
        return paragraph
    ends = [*(m.start() for m in starts[1:]), len(flat)]
    items = [
        "- " + ", ".join(f"`{name}`" for name in m.group(1).split(", ")) + f": {flat[m.end() : end].strip()}"
        for m, end in zip(starts, ends, strict=True)
    ]
    before = flat[: starts[0].start()].strip()
    return "\n".join(([before, ""] if before else []) + _last_apart(items))


def _last_apart(items: list[str]) -> list[str]:
    """What returns and raises, said behind the last name, is a paragraph of its own."""
    last, *rest = re.split(r"(?<=[.)]) (?=(?:Returns|Raises|Source)\b)", items[-1], maxsplit=1)
    return [*items[:-1], last, *(["", *rest] if rest else [])]


class Markdown(griffe.Extension):
    """Applies both to every docstring."""

    def on_function_instance(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Rewrite the docstring of a function."""
        _rewrite(func, {parameter.name for parameter in func.parameters})

    def on_class_members(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Rewrite the docstring of a class."""
        _rewrite(cls, set(cls.members))

    def on_module_members(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Rewrite the docstring of a module."""
        _rewrite(mod, set())


def _rewrite(obj: griffe.Object, names: Collection[str]) -> None:
    if obj.docstring is not None:
        obj.docstring.value = fence(listed(obj.docstring.value, names))
