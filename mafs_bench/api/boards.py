"""Leaderboards: define and open boards, make, check, add and verify submissions, write the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mafs_bench.leaderboard.boards import BoardFolder
    from mafs_bench.leaderboard.validation import Report


def make_submission(run: Path, board: str, model_card: Path, out: Path, root: Path | None = None) -> None:
    """Write a bundle of a run's per-sample scores for a board: a zip file or a folder. Raises ``MafsBenchError``.

    root: a checkout of the project, or its ``leaderboards/``; None: the one that came with mafs-bench.
    """
    from mafs_bench.leaderboard.boards import find_root, load_board
    from mafs_bench.leaderboard.bundle import write_bundle
    from mafs_bench.leaderboard.submission import make_bundle

    write_bundle(make_bundle(run, load_board(find_root(root), board), model_card), out)


def validate_submission(
    bundle: Path, root: Path | None = None, *, replace: bool = False, markdown: Path | None = None
) -> Report:
    """Check a bundle; the report has every finding and a verdict.

    replace: check it as a correction of the entry with the same name. markdown: a file for the findings and the board
    with the new entry. Raises ``MafsBenchError``.
    """
    from mafs_bench.leaderboard.boards import find_root
    from mafs_bench.leaderboard.markdown import review
    from mafs_bench.leaderboard.validation import validate

    boards = find_root(root)
    report = validate(bundle, boards, replacing=replace)
    if markdown is not None:
        markdown.write_text(review(bundle.name, report, boards), encoding="utf-8")
    return report


def define_board(
    name: str,
    *,
    title: str,
    about: str,
    task: str,
    dataset: str,
    split: str,
    suite: str,
    corruption: str,
    severity: str,
    seed: int,
    limit: int | None,
    root: Path | None = None,
) -> BoardFolder:
    """Define a board, or redefine one without submissions. Raises ``MafsBenchError``."""
    from mafs_bench.leaderboard.boards import new_board, writable_root
    from mafs_bench.runs.plan import parse_severities

    return new_board(
        writable_root(root, new=True),
        name,
        title=title,
        about=about,
        task=task,
        dataset=dataset,
        split=split,
        suite=suite,
        corruption=corruption,
        severities=parse_severities(severity),
        seed=seed,
        limit=limit,
    )


@dataclass(frozen=True)
class OpenedBoard:
    """A board whose rows are pinned in ``pins``: ``rows`` under each of ``conditions``."""

    pins: Path
    rows: int
    conditions: int


def open_boards(
    names: Sequence[str], data_root: Path | None = None, root: Path | None = None
) -> Iterator[OpenedBoard]:
    """Pin the rows of boards from data and suite, without a model. Raises ``MafsBenchError``."""
    from mafs_bench.leaderboard.boards import load_board, writable_root
    from mafs_bench.leaderboard.pins import FILE, pins_of, write_pins
    from mafs_bench.runs.pin import pin_rows

    for folder in [load_board(writable_root(root), name) for name in names]:
        own = folder.board
        folder.require_changeable()
        pinned = pin_rows(
            task=own.task,
            dataset=own.dataset,
            split=own.split,
            data_root=data_root,
            limit=own.limit,
            suite=own.suite,
            corruptions=own.corruptions,
            severities=own.severities,
            seed=own.seed,
        )
        opened = write_pins(folder, pins_of(own, pinned.frames, pinned.content_hashes), pinned.revision)
        yield OpenedBoard(folder.path / FILE, opened.board.n or 0, len(own.conditions))


@dataclass(frozen=True)
class AddedSubmission:
    """An added submission: its folder (None if it was refused) and the validation report."""

    report: Report
    place: Path | None


def add_submission(bundle: Path, root: Path | None = None, *, replace: bool = False) -> AddedSubmission:
    """Validate a bundle and add it to its board. Raises ``MafsBenchError``."""
    from mafs_bench.leaderboard.boards import writable_root
    from mafs_bench.leaderboard.publish import add_submission as add

    boards = writable_root(root)
    report = add(bundle, boards, replace=replace)
    if report.submission is None:
        return AddedSubmission(report, None)
    return AddedSubmission(report, boards / report.submission.board / "submissions" / report.submission.name)


def verify_submission(
    submission: Path,
    model: str,
    *,
    cells: int = 3,
    data_root: Path | None = None,
    device: str = "auto",
    batch_size: int = 64,
    root: Path | None = None,
) -> Iterator[str]:
    """Rerun a random part of a submission, and record it as verified if the scores agree; yields lines of output.

    cells: number of conditions in addition to clean. Raises ``SubmissionError`` if it is refused or does not agree.
    """
    from mafs_bench.api.verifying import verify
    from mafs_bench.leaderboard.boards import writable_root
    from mafs_bench.runs.execute import Resources

    resources = Resources(device=device, batch_size=batch_size)
    return verify(submission, model, cells, data_root, resources, writable_root(root))


def accept_flagged(submission: Path, reason: str, root: Path | None = None) -> None:
    """Rank a flagged entry, which stays unverified. Raises ``SubmissionError``."""
    from mafs_bench.leaderboard.boards import load_board, writable_root
    from mafs_bench.leaderboard.publish import accept_flags

    folder = load_board(writable_root(root), submission.resolve().parent.parent.name)
    accept_flags(submission, folder, reason)


def build_boards(root: Path | None = None) -> Sequence[Path]:
    """Write the tables of every board and the site from the records; returns the files that changed."""
    from mafs_bench.leaderboard.boards import writable_root
    from mafs_bench.leaderboard.site import build

    return build(writable_root(root))


def check_boards(root: Path | None = None) -> None:
    """Raise ``SubmissionError`` if a generated file differs from the records."""
    from mafs_bench.leaderboard.boards import find_root
    from mafs_bench.leaderboard.site import check

    check(find_root(root))
