"""Boards and bundles for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mafs_bench.leaderboard.boards import BoardFolder, new_board
from mafs_bench.leaderboard.bundle import write_bundle
from mafs_bench.leaderboard.pins import pins_of, write_pins
from mafs_bench.leaderboard.publish import add_submission
from mafs_bench.leaderboard.schemas import Verification
from mafs_bench.leaderboard.submission import make_bundle
from mafs_bench.leaderboard.verification import record
from mafs_bench.types import Condition
from tests.support.fake_run import SUITE, fake_frame, write_run

CARD = """name = "Clip small"
link = "https://example.org/clip"
licence = "MIT"
parameters = 1000000
training_data = "a million pairs"
"""


def define_board(root: Path, name: str = "scenes-retrieval", **changes: Any) -> BoardFolder:
    """An empty board for runs of ``write_run``, whose rows are not pinned."""
    settings: dict[str, Any] = {
        "title": "Retrieval on scenes",
        "about": "made by the project",
        "task": "retrieval",
        "dataset": "scenes",
        "split": "test",
        "suite": SUITE,
        "corruption": "gaussian_noise,keyboard",
        "severities": (1, 3, 5),
        "seed": 0,
        "limit": None,
    }
    return new_board(root, name, **{**settings, **changes})


def open_board(
    root: Path,
    name: str = "scenes-retrieval",
    n: int = 30,
    content_hashes: Mapping[str, tuple[str, ...]] | None = None,
    **changes: Any,
) -> BoardFolder:
    """The same with the rows of runs of ``n`` images."""
    folder = define_board(root, name, **changes)
    board = folder.board
    conditions = [Condition("", None, 0, 0)]
    conditions += [Condition("", c, s, 0) for c in board.corruptions for s in board.severities_of(c)]
    frames = {c.label: fake_frame(board.task, n, 0.0, "rows", c) for c in conditions}
    return write_pins(folder, pins_of(board, frames, content_hashes), "r1")


def write_card(path: Path, name: str) -> Path:
    """A card of that name."""
    path.write_text(CARD.replace("Clip small", name))
    return path


def bundle_of(folder: Path, board: BoardFolder, name: str, **run: Any) -> Path:
    """Write the run of a model and its bundle."""
    card, out = write_card(folder / f"{name}.toml", name), folder / f"{name}.zip"
    write_bundle(make_bundle(write_run(folder / f"run-{name}", **run), board, card), out)
    return out


def submit_model(folder: Path, board: BoardFolder, name: str, verified: bool = True, **run: Any) -> None:
    """Put a model on a board."""
    report = add_submission(bundle_of(folder, board, name, **run), board.path.parent)
    assert report.submission is not None
    if verified:
        verdict = Verification(manifest=report.submission.manifest, model=name, cells=("clean",))
        record(board.path, report.submission.name, verdict)
