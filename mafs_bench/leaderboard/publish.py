"""Take a bundle into a board."""

from __future__ import annotations

from pathlib import Path

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import BoardFolder, load_board, write_board
from mafs_bench.leaderboard.bundle import read_bundle, write_bundle
from mafs_bench.leaderboard.findings import refused
from mafs_bench.leaderboard.records import ids_digest
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.leaderboard.validation import validate


def add_submission(path: Path, root: Path, *, replace: bool = False) -> Submission:
    """Validate a bundle and copy it to ``<board>/submissions/<name>``; the first one pins the board's samples.

    Raises ``SubmissionError`` naming the first defect.
    """
    report = validate(path, root, replacing=replace)
    if report.submission is None or refused(report.findings):
        errors = [finding for finding in report.findings if finding.level == "error"]
        more = f" (and {len(errors) - 1} more; mafs-bench validate lists them)" if errors[1:] else ""
        raise SubmissionError(f"{path}: {errors[0]}{more}")
    submission = report.submission
    board = load_board(root, submission.board)
    if not board.board.revision:
        _pin(board, submission)
    files, _ = read_bundle(path)
    write_bundle(files, board.path / "submissions" / submission.name)
    return submission


def _pin(folder: BoardFolder, submission: Submission) -> None:
    """Write into ``board.toml`` what the data are, for all submissions to come."""
    clean = submission.frames["clean"]
    pinned = {
        "revision": submission.spec.revision,
        "ids_digest": ids_digest(clean, folder.board.task),
        "n": len(clean),
    }
    write_board(BoardFolder(folder.path, folder.board.model_copy(update=pinned)))
