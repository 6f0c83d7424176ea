"""Check a bundle against its board: every defect at once, nothing in the bundle trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from mafs_bench import suites
from mafs_bench.errors import MafsBenchError, SubmissionError
from mafs_bench.leaderboard import patterns
from mafs_bench.leaderboard.boards import BoardFolder, load_board
from mafs_bench.leaderboard.bundle import CARD, MANIFEST, RESULTS, SCORES, SPEC, Files, read_bundle
from mafs_bench.leaderboard.findings import Finding, error, refused, schema_findings, some
from mafs_bench.leaderboard.records import (
    by_condition,
    check_values,
    columns_of,
    decode,
    ids_digest,
    row_keys,
)
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
    manifest = _parse(files, MANIFEST, Manifest.model_validate_json, [])
    if manifest is not None:
        findings += _check_manifest(manifest, files)
    spec = _parse(files, SPEC, Spec.model_validate_json, findings)
    card = _parse(files, CARD, lambda raw: from_toml(Card, raw), findings)
    cells = _parse(files, RESULTS, TypeAdapter(tuple[Cell, ...]).validate_json, findings)
    if board is None:
        return Report(tuple(findings), None)
    frame, problems = decode(files[SCORES], board.board.task) if SCORES in files else (None, [])
    findings += problems
    if spec is not None:
        findings += _check_spec(spec, board.board)
    if cells is not None:
        findings += _check_cells(cells, board.board)
    frames = by_condition(frame) if frame is not None else {}
    if frame is not None:
        findings += check_values(frame, board.board.task) + _check_rows(frames, board.board)
    if frame is None or spec is None or card is None or cells is None:
        return Report(tuple(findings), None)
    submission = Submission(slug(card), board.name, spec, card, cells, frames)
    if not refused(findings):
        findings += _check_aggregates(submission, board.board)
        findings += patterns.within(cells, frames, board.board)
    return Report(tuple(findings), submission)


def read_submission(path: Path, board: BoardFolder) -> Submission:
    """Read an accepted submission. Raises ``SubmissionError`` with its first defect."""
    files, findings = read_bundle(path)
    report = validate_files(files, board, findings)
    if report.submission is None or not report.accepted:
        first = next(finding for finding in report.findings if finding.level == "error")
        raise SubmissionError(f"{path}: {first}")
    if report.submission.name != path.name:
        raise SubmissionError(
            f"{path}: the folder of a submission is named after its card: {report.submission.name}"
        )
    return report.submission


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
    findings = _compare_sets(RESULTS, "condition", labels, board.conditions)
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


def _compare_sets(where: str, what: str, found: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    missing = [name for name in wanted if name not in set(found)]
    extra = [name for name in dict.fromkeys(found) if name not in set(wanted)]
    twice = [name for name in dict.fromkeys(found) if found.count(name) > 1]
    lists = (
        (f"{what} missing", missing),
        (f"{what} not of the board", extra),
        (f"{what} there twice", twice),
    )
    return [error(where, f"{label}: {some(names)}") for label, names in lists if names]


def _check_rows(frames: Mapping[str, pd.DataFrame], board: Board) -> list[Finding]:
    """Check that every condition holds the same samples, once each, and that clean is scored."""
    findings = _compare_sets(SCORES, "condition", list(frames), board.conditions)
    if "clean" not in frames:
        return findings
    keys = row_keys(board.task)
    fixed = [column.name for column in columns_of(board.task) if column.fixed]
    clean = _fixed_part(frames["clean"], fixed, keys)
    for label, frame in frames.items():
        where, own = f"{SCORES} {label}", _fixed_part(frame, fixed, keys)
        twice = own.index[own.index.duplicated()].unique()
        missing, extra = clean.index.difference(own.index), own.index.difference(clean.index)
        if len(twice):
            findings.append(error(where, f"sample ids there twice: {some(twice)}"))
        if len(missing):
            findings.append(error(where, f"sample ids missing: {some(missing)}"))
        if len(extra):
            findings.append(error(where, f"sample ids that clean does not have: {some(extra)}"))
        if not (len(twice) or len(missing) or len(extra)) and not own.equals(clean):
            findings.append(error(where, f"{' or '.join(fixed[1:])} differs from clean"))
    if board.n and len(clean) != board.n:
        findings.append(error(f"{SCORES} clean", f"has {len(clean)} rows; the board has {board.n}"))
    if board.ids_digest and ids_digest(frames["clean"], board.task) != board.ids_digest:
        findings.append(error(f"{SCORES} clean", "sample ids, groups or labels are not those of the board"))
    unscored = int(frames["clean"]["score"].isna().sum())
    if unscored:
        findings.append(error(f"{SCORES} clean", f"{unscored} samples are unscored; allowed: 0"))
    return findings


def _fixed_part(frame: pd.DataFrame, fixed: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    return frame[list(fixed)].astype(str).set_index(list(keys), drop=False).sort_index()


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
