"""README: short, and its first commands, links and images are right."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import json
import re
from pathlib import Path

import pytest

from mafs_bench.report.tables import SCORE, Column, Table, to_csv
from mafs_bench.types import Estimate
from mafs_bench.version import __version__

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = (
    "pip install . && mafs-bench run --model mafs-clip --corruption gaussian --severity 1-5",
    "pip install -e '.[test]' && pytest",
)


def test_is_short() -> None:
    assert len(README.splitlines()) <= 100


def test_the_set_up_commands_come_first() -> None:
    shell = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    assert "".join(shell[:2]).split("\n")[:2] == list(SET_UP) or [s.strip() for s in shell[:2]] == list(
        SET_UP
    )


def test_links_and_images_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r'(?:src|srcset|href)="([^"]+)"', README)
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_figure_is_of_the_board() -> None:
    """Means over severities of the curves that are drawn are those of the board's own table."""
    drawn = json.loads((ROOT / "docs" / "results" / "hero.json").read_text(encoding="utf-8"))
    with (ROOT / "leaderboards" / drawn["board"] / "board.csv").open(encoding="utf-8", newline="") as file:
        board = {row["model"]: row for row in csv.DictReader(file) if row["family"] == "all"}
    assert set(drawn["curves"]) == set(board)
    for model, (clean, *corrupted) in drawn["curves"].items():
        assert clean[0] == pytest.approx(float(board[model]["clean"]), abs=1e-3)
        mean = sum(value for value, _, _ in corrupted) / len(corrupted)
        assert mean == pytest.approx(float(board[model]["corrupted"]), abs=1e-3)


def test_a_blocks_result_is_of_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block whose command was edited after it was measured is refused, and so is an edited number."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))
    fill_numbers = importlib.import_module("fill_numbers")
    known = fill_numbers.blocks()
    assert fill_numbers.filled(README, known) == README
    assert fill_numbers.filled(README.replace("| 0.", "| 1."), known) == README
    edited = {**known, "compare": dataclasses.replace(known["compare"], command="mafs-bench run --seed 1")}
    with pytest.raises(SystemExit, match="has changed since it was measured"):
        fill_numbers.filled(README, edited)


def test_a_study_is_read_as_it_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The columns of a CSV table, an estimate in one cell."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))
    fill_numbers = importlib.import_module("fill_numbers")
    rows = [
        ["mean", "fixed", Estimate(0.5, 0.41, 0.59, 9, 0)],
        ["mafs", "ours", Estimate(None, None, None, 0, 9)],
    ]
    table = Table("Score by group", (Column("fusion"), Column("kind"), Column("noisy, seen", SCORE)), rows)
    (tmp_path / "scores.csv").write_text(to_csv(table), encoding="utf-8")
    block = fill_numbers.Block("x", "csv", "", columns=("fusion", "noisy, seen"), csv="scores.csv")
    made = fill_numbers._measured_csv(block, tmp_path, [])
    assert made["header"] == ["fusion", "noisy, seen"]
    assert made["rows"] == [["mean", "0.500 [0.41, 0.59]"], ["mafs", "n/a"]]
