"""Rerun a random part of a submission and compare the scores."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mafs_bench import __version__
from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import BoardFolder, load_board
from mafs_bench.leaderboard.schemas import Verification
from mafs_bench.leaderboard.standings import primary
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.leaderboard.validation import validate
from mafs_bench.leaderboard.verification import FILE, Agreement, record, share_of_equal_rows
from mafs_bench.runs.execute import Resources
from mafs_bench.runs.plan import RunRequest
from mafs_bench.runs.progress import Quiet
from mafs_bench.runs.rerun import Rerun, rerun
from mafs_bench.stats.resampling import Resampling, replicate
from mafs_bench.types import Condition


def verify(
    path: Path, model: str, cells: int, data_root: Path | None, resources: Resources, root: Path
) -> Iterator[str]:
    """Yield the lines of the result, and record the entry as verified if everything agrees.

    Raises ``SubmissionError`` if the bundle is refused, the weights differ or the scores disagree.
    """
    report = validate(path, root, replacing=True)
    submission = report.submission
    if submission is None or not report.accepted:
        first = next(finding for finding in report.findings if finding.level == "error")
        raise SubmissionError(f"{path}: {first}")
    yield from (str(finding) for finding in report.findings)
    folder = load_board(root, submission.board)
    drawn = draw_conditions(submission, folder, cells)
    again = rerun(_request(model, folder, drawn, data_root), drawn, resources, Quiet())
    if again.spec.weights != submission.spec.weights:
        raise SubmissionError(
            f"{model} has the weights {again.spec.weights[:12]}…, the submission has {submission.spec.weights[:12]}…"
        )
    agreements = [_agreement(label, submission, again, folder) for label in drawn]
    yield from (str(agreement) for agreement in agreements)
    failed = [agreement.label for agreement in agreements if not agreement.holds]
    if failed:
        raise SubmissionError(
            f"{path}: the scores under {', '.join(failed)} are not those of {model}; not verified"
        )
    share = min(agreement.share for agreement in agreements)
    verdict = Verification(
        manifest=submission.manifest, model=model, cells=tuple(drawn), agreement=share, version=__version__
    )
    record(folder.path, submission.name, verdict)
    yield f"{folder.path / FILE}: {submission.name} is verified  (mafs-bench leaderboard build writes the tables)"


def draw_conditions(submission: Submission, folder: BoardFolder, cells: int) -> list[str]:
    """Clean, and unpredictable conditions: the one draw in this project that must not depend on a seed."""
    labels = [
        label
        for label in folder.board.conditions
        if label != "clean" and submission.frames[label]["score"].notna().any()
    ]
    return ["clean", *secrets.SystemRandom().sample(labels, min(cells, len(labels)))]


def _request(model: str, folder: BoardFolder, drawn: list[str], data_root: Path | None) -> RunRequest:
    board = folder.board
    corruptions = [Condition.parse(label).corruption for label in drawn]
    names = dict.fromkeys(name for name in corruptions if name is not None)
    return RunRequest(
        model=model,
        corruption=",".join(names) or "clean",
        severity=",".join(map(str, board.severities)),
        dataset=board.dataset,
        split=board.split,
        data_root=data_root,
        tasks=(board.task,),
        suite=board.suite,
        seed=board.seed,
        limit=board.limit,
    )


def _agreement(label: str, submission: Submission, again: Rerun, folder: BoardFolder) -> Agreement:
    metric = primary(folder)
    own, found = submission.frames[label], again.frames[label]
    inputs = {cell.label: cell.content_hash for cell in submission.cells}

    def value(frame: pd.DataFrame) -> float:
        frame = frame.assign(group=frame["group"].astype(str))
        return replicate(metric, frame, Resampling(frame["group"], 1)).value

    share = share_of_equal_rows(folder.board.task, own, found)
    return Agreement(label, share, value(own), value(found), inputs[label] == again.inputs[label])
