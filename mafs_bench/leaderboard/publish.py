"""Add a bundle to a board."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import BoardFolder, load_board
from mafs_bench.leaderboard.bundle import LARGEST, write_bundle
from mafs_bench.leaderboard.schemas import Verification
from mafs_bench.leaderboard.validation import Report, read_submission, validate
from mafs_bench.leaderboard.verification import record


def add_submission(path: Path, root: Path, *, replace: bool = False) -> Report:
    """Validate a bundle and store it as ``<board>/submissions/<name>``.

    Raises ``SubmissionError`` naming the first defect.
    """
    report = validate(path, root, replacing=replace)
    submission = report.submission
    if submission is None or not report.accepted:
        errors = [finding for finding in report.findings if finding.level == "error"]
        more = f" (and {len(errors) - 1} more; mafs-bench validate lists them)" if errors[1:] else ""
        raise SubmissionError(f"{path}: {errors[0]}{more}")
    board = load_board(root, submission.board)
    kept = {name: raw for name, raw in report.files.items() if name in LARGEST}
    write_bundle(kept, board.path / "submissions" / submission.name)
    return report


def accept_flags(path: Path, board: BoardFolder, reason: str) -> None:
    """Record why an entry is ranked although it was flagged. Raises ``SubmissionError``."""
    if not board.holds(path):
        raise SubmissionError(f"{path} is not among the submissions of {board.name}")
    submission = read_submission(path, board)
    try:
        verdict = Verification(manifest=submission.manifest, accepted=reason)
    except ValidationError as problem:
        raise SubmissionError(f"--reason {reason!r}: {problem.errors()[0]['msg']}") from problem
    record(board.path, submission.name, verdict)
