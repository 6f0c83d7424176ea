"""The boards on disk: ``leaderboards/<board>/board.toml`` and its submissions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import SubmissionError, UnknownNameError
from mafs_bench.leaderboard.schemas import Board, from_toml, to_toml
from mafs_bench.tasks import get_task

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True)
class BoardFolder:
    """A board with its folder."""

    path: Path
    board: Board

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    def submissions(self) -> list[Path]:
        """List the folders of its submissions, sorted by name."""
        return sorted(p for p in (self.path / "submissions").glob("*") if not p.name.startswith("."))

    def holds(self, path: Path) -> bool:
        """Whether a bundle is one of its submissions."""
        return path.resolve().parent == (self.path / "submissions").resolve()

    def require_changeable(self) -> None:
        """Raise ``SubmissionError`` if other rows would invalidate the entries of an open board."""
        if self.board.is_open and self.submissions() and not self.board.archive:
            raise SubmissionError(
                f"{self.name} is open and has submissions; a changed board needs a new name"
            )

    def closed(self) -> str | None:
        """Why it takes no entries; None if it does."""
        if self.board.archive:
            return f"the board {self.name} is an archive: it keeps its entries and takes no new ones"
        if not self.board.is_open:
            return (
                f"the board {self.name} is defined, not open: its rows are not pinned "
                "(a maintainer who has the data runs mafs-bench leaderboard open)"
            )
        return None


def find_root(root: Path | None) -> Path:
    """The folder of the boards: ``root``, its ``leaderboards/``, or the one that came with the project.

    Raises ``SubmissionError`` where there is none.
    """
    folder = default_root() if root is None else root
    if (folder / "leaderboards").is_dir():
        folder = folder / "leaderboards"
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: no such folder; --root must be a checkout of the project")
    return folder


def writable_root(root: Path | None, new: bool = False) -> Path:
    """As ``find_root``, for commands that write; a ``new`` root need not exist.

    Raises ``SubmissionError`` for the copy inside an installed package.
    """
    folder = root if new and root is not None and not root.exists() else find_root(root)
    if root is None and suites.is_installed(folder):
        raise SubmissionError(
            "boards are kept in a checkout of the project, and mafs-bench runs from an installed package; "
            "give one with --root CHECKOUT"
        )
    return folder


def default_root() -> Path:
    """``leaderboards/`` in the repository or the installed wheel."""
    return suites.data_folder("leaderboards")


def board_names(root: Path) -> list[str]:
    """List the boards, sorted."""
    return sorted(file.parent.name for file in root.glob("*/board.toml"))


def load_board(root: Path, name: str) -> BoardFolder:
    """Read a board. Raises ``UnknownNameError``, or ``SubmissionError`` for an invalid file."""
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
    """Define a board for the corruptions of ``corruption`` that apply to the task; ``open`` pins its rows.

    It ranks by the balanced mean. Corruptions that have only severity 1 are left out if the board does not have it.
    Raises ``SubmissionError`` if the board exists and has submissions, or ``UnknownNameError``.
    """
    if not _NAME.fullmatch(name):
        raise SubmissionError(f"board {name!r}; allowed: small letters, digits and hyphens")
    definition = suites.load(suite)
    chosen = get_task(task)
    corruptions = [
        c
        for c in definition.select(corruption)
        if chosen.refuse_corruption(c) is None and set(severities) & set(c.severities)
    ]
    board = Board(
        title=title,
        about=about,
        task=task,
        metric=chosen.primary,
        dataset=dataset,
        split=split,
        suite=definition.id,
        suite_hash=definition.digest,
        corruptions=tuple(c.name for c in corruptions),
        severities=severities,
        ungraded=tuple(c.name for c in corruptions if c.severities == (1,)),
        mean="balanced",
        seed=seed,
        limit=limit,
    )
    folder = BoardFolder(root / name, board)
    if folder.submissions():
        raise SubmissionError(f"{folder.path} has submissions; a changed board needs a new name")
    write_board(folder)
    return folder
