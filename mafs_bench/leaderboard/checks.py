"""Check each file of a bundle against its board: manifest, spec, results and their aggregates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mafs_bench.corruptions import suite as suites
from mafs_bench.leaderboard.bundle import MANIFEST, RESULTS, SPEC, Files
from mafs_bench.leaderboard.findings import Finding, compare_sets, error, note, some
from mafs_bench.leaderboard.pins import Pins
from mafs_bench.leaderboard.schemas import Board, Cell, Manifest, Spec
from mafs_bench.leaderboard.submission import Submission, sha256
from mafs_bench.stats.resampling import Resampling, replicate_all
from mafs_bench.tasks import get_task

_TOLERANCE = 1e-5
"""Scores are stored as float32, so aggregates may differ by its rounding."""


def check_manifest(manifest: Manifest, files: Files) -> list[Finding]:
    """Compare the listed hashes with the files."""
    present = {name: sha256(raw) for name, raw in files.items() if name != MANIFEST}
    findings = [error(MANIFEST, f"does not list {name}") for name in present if name not in manifest.files]
    for name, digest in manifest.files.items():
        if name not in present:
            findings.append(error(MANIFEST, f"lists {name}, which is missing"))
        elif digest != present[name]:
            findings.append(
                error(name, f"SHA-256 is {present[name][:12]}…, the manifest says {digest[:12]}…")
            )
    return findings


def check_spec(spec: Spec, board: Board) -> list[Finding]:
    """Compare the run's record with the board."""
    fixed = ("dataset", "split", "suite", "suite_hash", "seed", "limit", "precision", "revision")
    findings = [
        error(SPEC, f"{key} is {getattr(spec, key)!r}; the board has {getattr(board, key)!r}")
        for key in fixed
        if getattr(spec, key) != getattr(board, key)
    ]
    if board.suite in suites.published() and suites.load(board.suite).digest != board.suite_hash:
        findings.append(error("board.toml", f"suite_hash is not that of {board.suite} as it is published"))
    if board.task not in spec.tasks:
        findings.append(error(SPEC, f"tasks are {some(spec.tasks)}; the board has {board.task}"))
    fixed_values = {"engine": "native", "tf32": False, "suite_file": ""}
    findings += [
        error(SPEC, f"{key} is {getattr(spec, key)!r}; allowed: {value!r}")
        for key, value in fixed_values.items()
        if getattr(spec, key) != value
    ]
    for key in ("corruptions", "severities"):
        absent = [name for name in getattr(board, key) if name not in getattr(spec, key)]
        if absent:
            findings.append(error(SPEC, f"{key} lack {some(absent)}"))
    return findings


def check_cells(cells: Sequence[Cell], board: Board, pins: Pins) -> list[Finding]:
    """Compare the conditions of ``results.json`` with the board's."""
    labels = [cell.label for cell in cells]
    findings = compare_sets(RESULTS, "condition", labels, board.conditions)
    known = set(board.conditions)
    for cell in cells:
        if cell.label not in known:
            continue
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
    return findings + _check_inputs(cells, pins)


def _check_inputs(cells: Sequence[Cell], pins: Pins) -> list[Finding]:
    """Refuse inputs whose hashes differ from those pinned by the board, if it pins them."""
    other = [
        c.label for c in cells if c.content_hash not in pins.content_hashes.get(c.label, (c.content_hash,))
    ]
    return (
        [error(RESULTS, f"content hashes are not those of the board's inputs: {some(other)}")]
        if other
        else []
    )


def compare_inputs(own: Submission, others: Sequence[Submission], pins: Pins) -> list[Finding]:
    """One line with the conditions under which the inputs differ from those of every other entry."""
    theirs: dict[str, set[str]] = {}
    for cell in (cell for other in others for cell in other.cells):
        theirs.setdefault(cell.label, set()).add(cell.content_hash)
    differing = [c.label for c in own.cells if c.content_hash not in theirs.get(c.label, {c.content_hash})]
    if not differing or pins.content_hashes:
        return []
    count = f"{len(differing)} of {len(own.cells)} conditions"
    how = "the inputs hash otherwise than those of all other entries, as with libraries of other versions"
    return [note(RESULTS, f"in {count} {how}: {some(differing)}")]


def _check_ranges(where: str, cell: Cell, task: str) -> list[Finding]:
    known = {metric.name: metric for metric in get_task(task).metrics}
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


def check_aggregates(submission: Submission, board: Board) -> list[Finding]:
    """Recompute every metric of every condition from the per-sample scores; stated intervals are never used."""
    findings = []
    metrics = get_task(board.task).metrics
    for cell in submission.cells:
        if cell.label not in submission.frames:
            continue  # a finding of its own
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
