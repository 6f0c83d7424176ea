"""What is in the wheel, and how large it is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_BYTES = 60_000_000
BUDGET = {
    "clip_scenes": 4.5e6,
    "albef_scenes": 10e6,
    "blip_scenes": 11e6,
    "fusion": 20e6,
}
"""Compressed bytes of each folder of weights."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    (built,) = builder.build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(built)


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= MOST_BYTES
    with zipfile.ZipFile(wheel) as packed:
        for folder, most in BUDGET.items():
            sizes = [
                i.compress_size for i in packed.infolist() if f"mafs_bench/weights/{folder}/" in i.filename
            ]
            assert 0 < sum(sizes) <= most, folder


def test_the_wheel_has_boards_and_suites_but_no_submission(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    data = "mafs_bench/_data"
    assert {
        f"{data}/leaderboards/{f.parent.name}/board.toml" for f in ROOT.glob("leaderboards/*/board.toml")
    } <= names
    assert {
        f"{data}/leaderboards/{f.parent.name}/rows.parquet" for f in ROOT.glob("leaderboards/*/rows.parquet")
    } <= names
    assert {f"{data}/corruptions/{f.name}" for f in ROOT.glob("corruptions/*.toml")} <= names
    assert not [
        name
        for name in names
        if "submissions" in name
        or (name.endswith((".csv", "BOARD.md", ".html")) and "_data/leaderboards" in name)
    ]
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]
