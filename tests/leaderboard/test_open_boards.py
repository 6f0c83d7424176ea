"""Boards over data on disk are opened without a model; throw-away boards over real photos in the official layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.leaderboard.boards import default_root, load_board
from mafs_bench.leaderboard.pins import FILE, LARGEST, read_pins

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

BOARDS = {
    "coco-captioning": ("captioning", "coco", "val2017", "coco-mini"),
    "coco-retrieval": ("retrieval", "coco", "val2017", "coco-mini"),
    "vqav2-vqa": ("vqa", "vqav2", "train", "vqav2-mini"),
}


@pytest.mark.parametrize("name", BOARDS)
def test_board_is_opened_from_its_data(name: str, tmp_path: Path) -> None:
    task, dataset, split, folder = BOARDS[name]
    if not (DATA / folder).is_dir():
        pytest.skip(f"no {folder} beside the checkout")
    runner, root = CliRunner(), ["--root", str(tmp_path / "boards")]
    about = ["--title", "T", "--about", "A", "--task", task, "--dataset", dataset, "--split", split]
    corruption = [
        "--suite",
        "core@1",
        "--corruption",
        "gaussian_noise,fog,keyboard,passive",
        "--severity",
        "1,5",
    ]
    corruption = (
        [*corruption[:3], "gaussian_noise,fog", *corruption[4:]] if task == "captioning" else corruption
    )
    runner.invoke(app, ["leaderboard", "new", name, *about, *corruption, *root], catch_exceptions=False)
    done = runner.invoke(
        app, ["leaderboard", "open", name, "--data-root", str(DATA / folder), *root], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    board = load_board(tmp_path / "boards", name)
    pins = read_pins(board)
    assert board.closed() is None
    assert board.board.n == len(pins) > 30
    assert (tmp_path / "boards" / name / FILE).stat().st_size < LARGEST
    lacking = {label.rpartition("-")[0] for label in pins.inapplicable}
    assert lacking <= {"keyboard", "passive"}
    assert ("passive" in lacking) == (task != "captioning")


@pytest.mark.parametrize("name", ["coco-captioning", "coco-retrieval", "flickr30k-retrieval", "vqav2-vqa"])
def test_boards_without_data_are_defined_and_closed(name: str) -> None:
    board = load_board(default_root(), name)
    assert not board.board.is_open
    assert f"the board {name} is defined, not open" in (board.closed() or "")
