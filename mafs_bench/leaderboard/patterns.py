"""Patterns in a submission's scores that a person should look at, or that refuse it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.corruptions import suite as suites
from mafs_bench.leaderboard.findings import Finding, error, some, warning
from mafs_bench.leaderboard.schemas import Board, Cell
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.metrics import metrics_of

Scores = npt.NDArray[np.float32]


def within(cells: Sequence[Cell], frames: Mapping[str, pd.DataFrame], board: Board) -> list[Finding]:
    """What is odd in one submission: severities out of order, corruptions without any effect."""
    by_label = {cell.label: cell for cell in cells}
    exempt = {c.name for c in suites.load(board.suite).corruptions.values() if not c.monotone}
    findings = [
        finding
        for corruption in board.corruptions
        if corruption not in exempt
        for finding in _out_of_order(corruption, by_label, board)
    ]
    scores = _scores(frames)
    same = [label for label in scores if label != "clean" and _same(scores[label], scores["clean"])]
    if same:
        findings.append(warning("scores.parquet", f"scores equal those of clean, row by row: {some(same)}"))
    return findings


def between(own: Submission, other: Submission) -> list[Finding]:
    """What two submissions to a board have in common that they should not, and the reverse."""
    name = other.name
    findings = []
    if own.name == name:
        findings.append(error("card.toml", f"there is a submission of the name {name}"))
    if (own.spec.model, own.spec.weights, own.spec.precision) == (
        other.spec.model,
        other.spec.weights,
        other.spec.precision,
    ):
        findings.append(error("spec.json", f"the same model and weights are there as {name}"))
    mine, theirs = _scores(own.frames), _scores(other.frames)
    shared = [label for label in mine if label in theirs]
    same = [label for label in shared if _same(mine[label], theirs[label])]
    if same and len(same) == len(shared):
        findings.append(error("scores.parquet", f"all scores equal those of {name}, row by row"))
    elif same:
        findings.append(warning("scores.parquet", f"scores equal those of {name}, row by row: {some(same)}"))
    hidden = [label for label in theirs if _hides(own.frames[label], other.frames[label])]
    if hidden:
        findings.append(
            warning("scores.parquet", f"unscored here and scored in {name}: samples of {some(hidden)}")
        )
    return findings + _other_inputs(own, other)


def _other_inputs(own: Submission, other: Submission) -> list[Finding]:
    theirs = {cell.label: cell.content_hash for cell in other.cells}
    differing = [c.label for c in own.cells if theirs.get(c.label, c.content_hash) != c.content_hash]
    if not differing:
        return []
    where = "clean too" if "clean" in differing else "clean not"
    return [
        warning("results.json", f"other inputs (content hash) than {other.name} ({where}): {some(differing)}")
    ]


def _out_of_order(corruption: str, cells: Mapping[str, Cell], board: Board) -> list[Finding]:
    """Neighbouring severities of which the harder one is better by more than both intervals allow."""
    higher = next(m.higher_is_better for m in metrics_of(board.task) if m.name == board.metric)
    findings = []
    for milder, harder in pairwise(board.severities):
        a = cells[f"{corruption}-{milder}"].metrics[board.metric]
        b = cells[f"{corruption}-{harder}"].metrics[board.metric]
        worse, better = (a.high, b.low) if higher else (b.high, a.low)
        if worse is not None and better is not None and better > worse:
            both = f"{board.metric} {b.value:.4g} against {a.value:.4g}"
            message = f"severity {harder} is milder than severity {milder}: {both}"
            findings.append(warning(f"results.json {corruption}", message))
    return findings


def _scores(frames: Mapping[str, pd.DataFrame]) -> dict[str, Scores]:
    """The scores of each condition that has any; rows are in the order of their keys."""
    made = {label: frame["score"].to_numpy() for label, frame in frames.items()}
    return {label: scores for label, scores in made.items() if not np.isnan(scores).all()}


def _same(a: Scores, b: Scores) -> bool:
    return len(a) == len(b) and np.array_equal(a, b, equal_nan=True)


def _hides(own: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether a sample is unscored here that the other scored."""
    mine, theirs = own["score"].isna().to_numpy(), other["score"].isna().to_numpy()
    return len(mine) == len(theirs) and bool((mine & ~theirs).any())
