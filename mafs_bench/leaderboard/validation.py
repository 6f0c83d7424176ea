"""Check a bundle against its board: every defect at once, nothing in the bundle trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import MafsBenchError, SubmissionError
from mafs_bench.leaderboard import patterns
from mafs_bench.leaderboard.boards import BoardFolder, load_board
from mafs_bench.leaderboard.bundle import CARD, MANIFEST, RESULTS, SCORES, SPEC, Files, read_bundle
from mafs_bench.leaderboard.findings import Finding, compare_sets, error, refused, schema_findings, some
from mafs_bench.leaderboard.records import by_condition, check_values, decode
from mafs_bench.leaderboard.rows import check_rows
from mafs_bench.leaderboard.schemas import Board, Card, Cell, Manifest, Spec, from_toml
from mafs_bench.leaderboard.submission import Submission, sha256, slug
from mafs_bench.metrics import metrics_of
from mafs_bench.stats.resampling import Resampling, replicate_all

_TOLERANCE = 1e-5
"""Scores are stored as float32: aggregates may differ by its rounding."""

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Report:
    """All findings, and the submission where it could be read as a whole."""

    findings: tuple[Finding, ...]
    submission: Submission | None

    @property
    def accepted(self) -> bool:
        """Whether nothing but warnings was found."""
        return self.submission is not None and not refused(self.findings)


def validate(path: Path, root: Path, replacing: bool = False) -> Report:
    """Check a bundle, zip file or folder; ``replacing``: it may have the name of one that is there.

    Raises ``SubmissionError`` where there is nothing to read.
    """
    files, findings = read_bundle(path)
    manifest = _parse(files, MANIFEST, Manifest.model_validate_json, findings)
    board = _find_board(manifest, root, findings)
    report = validate_files(files, board, findings)
    if report.submission is not None and board is not None:
        left_out = {path.resolve()}
        if replacing:
            left_out.add((board.path / "submissions" / report.submission.name).resolve())
        others = [p for p in board.submissions() if p.resolve() not in left_out]
        compared = _compare(report.submission, board, others)
        compared += _check_place(path, board, report.submission)
        return Report((*report.findings, *compared), report.submission)
    return report


def validate_files(files: Files, board: BoardFolder | None, before: Sequence[Finding] = ()) -> Report:
    """Check the files of a bundle by themselves, without the board's other submissions."""
    findings = list(before)
    submission = _read(files, board, findings)
    if submission is not None and board is not None and not refused(findings):
        findings += _check_aggregates(submission, board.board)
        findings += patterns.within(submission.cells, submission.frames, board.board)
    return Report(tuple(findings), submission)


def read_submission(path: Path, board: BoardFolder) -> Submission:
    """Read a submission that was accepted once: all but its aggregates, which no board uses, is checked again.

    Raises ``SubmissionError`` with its first defect.
    """
    files, findings = read_bundle(path)
    submission = _read(files, board, findings)
    if submission is None or refused(findings):
        first = next(finding for finding in findings if finding.level == "error")
        raise SubmissionError(f"{path}: {first}")
    if submission.name != path.name:
        raise SubmissionError(
            f"{path}: the folder of a submission is named after its card: {submission.name}"
        )
    return submission


def _read(files: Files, board: BoardFolder | None, findings: list[Finding]) -> Submission | None:
    """Read all files as far as they can be read; what is wrong with them goes to ``findings``."""
    manifest = _parse(files, MANIFEST, Manifest.model_validate_json, [])
    if manifest is not None:
        findings += _check_manifest(manifest, files)
    spec = _parse(files, SPEC, Spec.model_validate_json, findings)
    card = _parse(files, CARD, lambda raw: from_toml(Card, raw), findings)
    cells = _parse(files, RESULTS, TypeAdapter(tuple[Cell, ...]).validate_json, findings)
    if board is None:
        return None
    if spec is not None:
        findings += _check_spec(spec, board.board)
    if cells is not None:
        findings += _check_cells(cells, board.board)
    frames = _read_scores(files, board.board, findings)
    if frames is None or spec is None or card is None or cells is None:
        return None
    return Submission(slug(card), board.name, spec, card, cells, frames)


def _read_scores(files: Files, board: Board, findings: list[Finding]) -> dict[str, pd.DataFrame] | None:
    if SCORES not in files:
        return None
    frame, problems = decode(files[SCORES], board.task)
    findings += problems
    if frame is None:
        return None
    frames = by_condition(frame, board.task)
    findings += check_values(frame, board.task) + check_rows(frames, board)
    return frames


def _parse(
    files: Files, name: str, parser: Callable[[bytes], Parsed], findings: list[Finding]
) -> Parsed | None:
    """Parse one file; what does not fit its schema goes to ``findings``."""
    if name not in files:
        return None
    try:
        return parser(files[name])
    except ValidationError as problem:
        findings += schema_findings(name, problem)
    except (ValueError, RecursionError) as problem:
        findings.append(error(name, f"cannot be read: {problem}"))
    return None


def _find_board(manifest: Manifest | None, root: Path, findings: list[Finding]) -> BoardFolder | None:
    if manifest is None:
        return None
    try:
        return load_board(root, manifest.board)
    except MafsBenchError as problem:
        findings.append(error(MANIFEST, str(problem)))
        return None


def _check_manifest(manifest: Manifest, files: Files) -> list[Finding]:
    present = {name: sha256(raw) for name, raw in files.items() if name != MANIFEST}
    findings = [error(MANIFEST, f"does not list {name}") for name in present if name not in manifest.files]
    for name, digest in manifest.files.items():
        if name not in present:
            findings.append(error(MANIFEST, f"lists {name}, which is not there"))
        elif digest != present[name]:
            findings.append(
                error(name, f"SHA-256 is {present[name][:12]}…, the manifest says {digest[:12]}…")
            )
    return findings


def _check_spec(spec: Spec, board: Board) -> list[Finding]:
    fixed = ("dataset", "split", "suite", "suite_hash", "seed", "limit")
    findings = [
        error(SPEC, f"{key} is {getattr(spec, key)!r}; the board has {getattr(board, key)!r}")
        for key in fixed
        if getattr(spec, key) != getattr(board, key)
    ]
    if board.revision and spec.revision != board.revision:
        findings.append(error(SPEC, f"revision is {spec.revision!r}; the board has {board.revision!r}"))
    if board.suite in suites.published() and suites.load(board.suite).digest != board.suite_hash:
        findings.append(error("board.toml", f"suite_hash is not that of {board.suite} as it is published"))
    if board.task not in spec.tasks:
        findings.append(error(SPEC, f"tasks are {some(spec.tasks)}; the board has {board.task}"))
    if spec.engine != "native":
        findings.append(error(SPEC, f"engine is {spec.engine!r}; allowed: 'native'"))
    for key in ("corruptions", "severities"):
        absent = [name for name in getattr(board, key) if name not in getattr(spec, key)]
        if absent:
            findings.append(error(SPEC, f"{key} lack {some(absent)}"))
    return findings


def _check_cells(cells: Sequence[Cell], board: Board) -> list[Finding]:
    labels = [cell.label for cell in cells]
    findings = compare_sets(RESULTS, "condition", labels, board.conditions)
    for cell in cells:
        where = f"{RESULTS} {cell.label}"
        for key in ("task", "dataset", "seed"):
            if getattr(cell, key) != getattr(board, key):
                findings.append(
                    error(where, f"{key} is {getattr(cell, key)!r}; the board has {getattr(board, key)!r}")
                )
        if (cell.corruption is None) != (cell.severity == 0):
            findings.append(error(where, f"corruption {cell.corruption!r} has severity {cell.severity}"))
        if board.metric not in cell.metrics:
            findings.append(error(where, f"has no {board.metric}"))
        findings += _check_ranges(where, cell, board.task)
    return findings


def _check_ranges(where: str, cell: Cell, task: str) -> list[Finding]:
    known = {metric.name: metric for metric in metrics_of(task)}
    findings = []
    for name, found in cell.metrics.items():
        numbers = [x for x in (found.low, found.value, found.high) if x is not None]
        if name not in known:
            findings.append(error(where, f"unknown metric {name!r}; allowed: {', '.join(known)}"))
        elif any(not known[name].low <= x <= known[name].high for x in numbers):
            low, high = known[name].low, known[name].high
            findings.append(error(where, f"{name} is outside [{low:g}, {high:g}]"))
        elif found.low is not None and found.high is not None and found.low > found.high:
            findings.append(error(where, f"{name} has its interval upside down"))
    return findings


def _check_aggregates(submission: Submission, board: Board) -> list[Finding]:
    """Recompute every metric of every condition from the per-sample scores."""
    findings = []
    metrics = metrics_of(board.task)
    for cell in submission.cells:
        frame = submission.frames[cell.label]
        one_draw = Resampling(frame["group"], n_resamples=1)
        made = replicate_all([(m, frame) for m in metrics if m.name in cell.metrics], one_draw)
        named = [m.name for m in metrics if m.name in cell.metrics]
        for name, own in zip(named, made, strict=True):
            said = cell.metrics[name]
            value = float("nan") if said.value is None else said.value
            if not _close(value, own.value):
                findings.append(
                    error(
                        f"{RESULTS} {cell.label}", f"{name} is {value:.6g}; the scores give {own.value:.6g}"
                    )
                )
            if (said.n, said.n_unscored) != (own.n, own.n_unscored):
                findings.append(
                    error(
                        f"{RESULTS} {cell.label}",
                        f"{name} has n {said.n}, unscored {said.n_unscored}; "
                        f"the scores give {own.n}, {own.n_unscored}",
                    )
                )
    return findings


def _close(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _compare(submission: Submission, board: BoardFolder, others: Sequence[Path]) -> list[Finding]:
    findings: list[Finding] = []
    for path in others:
        findings += patterns.between(submission, read_submission(path, board))
    return findings


def _check_place(path: Path, board: BoardFolder, submission: Submission) -> list[Finding]:
    """Check that a bundle that lies among a board's submissions bears its card's name."""
    inside = path.resolve().parent == (board.path / "submissions").resolve()
    if inside and path.name != submission.name:
        return [error(path.name, f"the folder of a submission is named after its card: {submission.name}")]
    return []
