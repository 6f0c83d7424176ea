"""Show the doctests of docstrings as code: in plain Markdown ``>>>`` would be a quotation of a quotation."""

from __future__ import annotations

from typing import Any

import griffe


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


class FenceDoctests(griffe.Extension):
    """Applies ``fence`` to every docstring."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = fence(obj.docstring.value)
