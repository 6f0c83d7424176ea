"""The outputs of the rewriting corruptions are those that were read and marked, and few of them are bad."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text

ROOT = Path(__file__).parents[2]
MARKS = Path(__file__).parent / "text_marks"
DRAWN = json.loads((MARKS / "drawn.json").read_text())["operators"]
MOST_BAD = {
    "synonym": 0.10,
    "passive": 0.08,
    "active": 0.08,
    "negation": 0.05,
    "formal": 0.05,
    "casual": 0.05,
    "antonym": 0.05,
    "colour_swap": 0.05,
    "number_swap": 0.05,
    "spatial_swap": 0.05,
}


def rows_of(key: str) -> list[dict[str, object]]:
    file = MARKS / f"{key.replace(':', '.')}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("key", DRAWN)
def test_the_outputs_are_those_that_were_marked(key: str) -> None:
    suite, name = key.split(":")
    corruption = suites.load(suite).corruptions[name]
    rows = rows_of(key)
    severities = [severity for severity in (3, 5) if f"severity_{severity}" in rows[0]]
    for row in rows:
        made = corrupt_text(
            str(row["caption"]),
            corruption,
            severities,
            seed=0,
            sample_id=str(row["caption_id"]),
            language="en",
        )
        assert made == [row[f"severity_{severity}"] for severity in severities]


@pytest.mark.parametrize("name", MOST_BAD)
@pytest.mark.parametrize("severity", ["3", "5"])
def test_few_outputs_of_core_2_are_bad(name: str, severity: str) -> None:
    rows = rows_of(f"core@2:{name}")
    assert len(rows) == 60 or name == "active"
    bad = [row for row in rows if severity in row.get("bad", {})]  # type: ignore[operator]
    assert len(bad) / len(rows) <= MOST_BAD[name]


def test_the_page_states_the_marks() -> None:
    subprocess.run([sys.executable, "docs/scripts/text_quality.py", "--check"], cwd=ROOT, check=True)
