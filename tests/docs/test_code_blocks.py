"""What README and the documentation tell people to type: Python blocks run, commands exist and take those options."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import typer

from mafs_bench.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
_FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that its title names ("" for none), and its text."""

    language: str
    file: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for indent, language, rest, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        title = _TITLE.search(rest)
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        yield Block(language, title.group(1) if title else "", "\n".join(lines) + "\n")


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=names(WITH_PYTHON))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a page together, as a reader would type them; a block with a title is a file."""
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        if block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, f"{page.name}: {block.text.splitlines()[0]}", "exec"), known)


def commands(page: Path) -> Iterator[str]:
    """Every ``mafs-bench`` command in the shell blocks of a page, and in its text."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language in ("bash", "sh", "console"):
            for line in block.text.replace("\\\n", " ").splitlines():
                for part in line.removeprefix("$ ").split("&&"):
                    if part.strip().startswith("mafs-bench "):
                        yield part.strip()
    for inline in re.findall(r"`(mafs-bench [^`]+)`", text):
        yield " ".join(inline.split())


COMMANDS = sorted({(name, command) for page in PAGES for name in names([page]) for command in commands(page)})


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_exist(page: str, command: str) -> None:
    """Each command is there, and so is each option. What is in capitals or left open stands for something."""
    here: click.Command = typer.main.get_command(app)
    words = [word.strip("[]") for word in shlex.split(command, comments=True)[1:]]
    while words and (subcommands := getattr(here, "commands", None)):
        if words[0].startswith("-") or words[0].isupper():
            break
        assert words[0] in subcommands, f"{page}: no command {words[0]!r} in {command!r}"
        here = subcommands[words.pop(0)]
    options = {name for parameter in here.params for name in parameter.opts} | {"--help"}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{page}: no option {word} in {command!r}"
