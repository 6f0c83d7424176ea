"""The boards on disk: ``leaderboards/<board>/board.toml`` and what was submitted to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import SubmissionError, UnknownNameError
from mafs_bench.leaderboard.schemas import Board, from_toml, to_toml
from mafs_bench.tasks import TASKS

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True)
class BoardFolder:
    """A board with its place."""

    path: Path
    board: Board

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    def submissions(self) -> list[Path]:
        """List the folders of its submissions, sorted by name."""
        return sorted(p for p in (self.path / "submissions").glob("*") if not p.name.startswith("."))


def default_root() -> Path:
    """``leaderboards/`` in the repository or the installed wheel."""
    return suites.data_folder("leaderboards")


def board_names(root: Path) -> list[str]:
    """List the boards, sorted."""
    return sorted(file.parent.name for file in root.glob("*/board.toml"))


def load_board(root: Path, name: str) -> BoardFolder:
    """Read a board. Raises ``UnknownNameError``, or ``SubmissionError`` for a file that does not fit."""
    if name not in board_names(root):
        raise UnknownNameError("board", name, board_names(root))
    file = root / name / "board.toml"
    try:
        return BoardFolder(root / name, from_toml(Board, file.read_bytes()))
    except (OSError, ValueError) as problem:
        raise SubmissionError(f"{file}: {problem}") from problem


def write_board(folder: BoardFolder) -> None:
    """Write ``board.toml``."""
    (folder.path / "submissions").mkdir(parents=True, exist_ok=True)
    (folder.path / "board.toml").write_text(to_toml(folder.board), encoding="utf-8")


def new_board(
    root: Path,
    name: str,
    *,
    title: str,
    about: str,
    task: str,
    dataset: str,
    split: str,
    suite: str,
    corruption: str,
    severities: tuple[int, ...],
    seed: int,
    limit: int | None,
) -> BoardFolder:
    """Open a board for the corruptions of ``corruption`` that apply to the task.

    Raises ``SubmissionError`` where there is one with submissions, or ``UnknownNameError``.
    """
    if not _NAME.fullmatch(name):
        raise SubmissionError(f"board {name!r}; allowed: small letters, digits and hyphens")
    definition = suites.load(suite)
    chosen = TASKS.get(task)
    board = Board(
        title=title,
        about=about,
        task=task,
        metric=chosen.primary,
        dataset=dataset,
        split=split,
        suite=definition.id,
        suite_hash=definition.digest,
        corruptions=tuple(
            c.name for c in definition.select(corruption) if chosen.refuse_corruption(c) is None
        ),
        severities=severities,
        seed=seed,
        limit=limit,
    )
    folder = BoardFolder(root / name, board)
    if folder.submissions():
        raise SubmissionError(f"{folder.path} has submissions; a changed board needs a new name")
    write_board(folder)
    return folder
