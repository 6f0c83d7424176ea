"""Output to terminals that are not UTF-8, and files that always are."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mafs_bench
from mafs_bench.cli import encoding
from mafs_bench.report.baseline import write_baseline
from mafs_bench.runs.store import read_run
from tests.support.fake_run import write_run

PACKAGE = Path(mafs_bench.__file__).parent
TEXT_IO = {"open", "read_text", "write_text", "fdopen"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoding")
    write_run(folder / "a", model="clip")
    write_run(folder / "b", model="blip", skill=1.5)
    write_run(folder / "night", model="clip", dataset="scenes:night")
    write_baseline(read_run(folder / "a"), folder / "a.baseline")
    return folder


@pytest.mark.parametrize(
    ("encoding", "arguments"),
    [
        ("cp1252", "compare a b --resamples 200 --out t.md --out t.tex --out t.csv"),
        ("ascii", "compare a b --resamples 200"),
        ("cp1252", "domain-gap a night --resamples 200 --out g.md"),
        ("cp1252", "check --baseline a.baseline --run a --junit j.xml"),
        ("cp1252", "list corruptions"),
        ("cp1252", "verify-paper"),
        pytest.param("cp1252", "report a night --out report", marks=pytest.mark.slow),
    ],
)
def test_commands_work_where_output_is_not_utf_8(folder: Path, encoding: str, arguments: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "mafs_bench", *arguments.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode(encoding)
    for file in folder.glob("*.md"):
        assert "−" in file.read_text(encoding="utf-8")


def test_what_an_encoding_lacks_is_written_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    encoding.make_output_safe()
    print("model − baseline · café … τ → ő 語", flush=True)
    assert raw.getvalue().decode("cp1252").rstrip() == "model - baseline · café … tau -> o ?"


def test_every_text_file_is_opened_with_an_encoding() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in _without_encoding(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


def _without_encoding(tree: ast.Module) -> Iterator[int]:
    """Lines that open text without naming its encoding; ``Image.open`` and methods of our own are no such calls."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2]
        binary = any("b" in str(a.value) for a in node.args if isinstance(a, ast.Constant))
        if name not in TEXT_IO or called in own or (name in {"open", "fdopen"} and binary):
            continue
        if not called.endswith(("Image.open", "archive.open", "_Manifest.open")):
            yield node.lineno
