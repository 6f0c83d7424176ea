"""The one-line summaries of ``mafs-bench --help`` and of the groups: whole, not cut by the terminal's width."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperCommand, TyperGroup

from mafs_bench.cli import app

LONGEST = 55


def commands(
    command: TyperCommand | TyperGroup, path: str = "mafs-bench"
) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield f"{path} {name}", inner
            yield from commands(inner, f"{path} {name}")


def test_summaries_are_one_short_sentence() -> None:
    found = {name: each.get_short_help_str(10_000) for name, each in commands(typer.main.get_command(app))}
    assert len(found) > 20
    assert {name: text for name, text in found.items() if not text or len(text) > LONGEST} == {}
