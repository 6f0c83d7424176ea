"""Every table of scores says where the model was trained on what it is scored on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app

SAID = "clip is scored on images that it was trained on: scenes train (20,000 images)"


def run(out: Path, model: str, dataset: str, split: str) -> str:
    arguments = ["run", "--model", model, "--dataset", dataset, "--split", split, "--limit", "6"]
    arguments += ["--corruption", "brightness", "--severity", "3", "--task", "matching", "--workers", "0"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, model, dataset in (("flat", "clip", "scenes"), ("night", "clip", "scenes:night")):
        run(folder / name, model, dataset, "train")
    run(folder / "chance", "chance", "scenes", "train")
    return folder


def plain(text: str) -> str:
    return " ".join(text.split())


def test_the_record_and_the_runs_own_table(tmp_path: Path) -> None:
    assert SAID in plain(run(tmp_path / "out", "clip", "scenes", "train"))
    assert SAID in json.loads((tmp_path / "out" / "spec.json").read_text())["notes"]


@pytest.mark.parametrize("command", ["compare flat chance", "compare chance flat", "domain-gap flat night"])
def test_tables_of_several_runs(runs: Path, command: str) -> None:
    name, *folders = command.split()
    done = CliRunner().invoke(app, [name, *(str(runs / folder) for folder in folders)])
    assert done.exit_code == 0, done.output
    assert plain(done.output).count(SAID) == 1


def test_the_gate(runs: Path, tmp_path: Path) -> None:
    stored = ["baseline", str(runs / "flat"), "--out", str(tmp_path / "baseline.zip")]
    done = CliRunner().invoke(app, stored)
    assert done.exit_code == 0, done.output
    checked = CliRunner().invoke(
        app, ["check", "--baseline", str(tmp_path / "baseline.zip"), "--run", str(runs / "flat")]
    )
    assert SAID in plain(checked.output)


def test_the_tables_of_a_report(runs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(runs / "flat"), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for suffix in (".md", ".tex"):  # CSV has no room for a sentence
        (table,) = (tmp_path / "tables").glob(f"*-robustness{suffix}")
        assert SAID in plain(table.read_text(encoding="utf-8"))
