"""Implausible patterns in the scores of one submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from mafs_bench.corruptions import suite as suites
from mafs_bench.leaderboard.findings import Finding, flag, some
from mafs_bench.leaderboard.schemas import Board
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.stats.ranking import significantly_better
from mafs_bench.stats.resampling import Replicates, Resampling, replicate_all
from mafs_bench.tasks import get_task
from mafs_bench.types import Corruption, Metric

_WHERE = "scores.parquet"

_UNCHANGED = {"image": 0.0, "text": 1 / 3}
"""Largest share of a modality's corruptions that may change no score: tokenizers drop case and accents."""

_UNHARMED = 1 / 3
"""Largest share of a modality's corruptions that may turn fewer than 1 in 200 hits into misses or back."""

_FEW, _LEAST_ROWS = 1 / 200, 50
_N_RESAMPLES = 400


def within(submission: Submission, board: Board) -> list[Finding]:
    """Implausible scores in one submission: corruptions without effect, or with a positive effect."""
    chosen = suites.load(board.suite).corruptions
    corruptions = [chosen[name] for name in board.corruptions if name in chosen]
    findings = []
    for modality in ("image", "text"):
        own = [corruption for corruption in corruptions if corruption.modality == modality]
        if own and modality in reads(submission, board):
            findings += _without_effect(modality, own, submission.frames, board)
        elif own:
            findings += _with_effect(modality, own, submission.frames, board)
    return findings + _helped(corruptions, submission, board)


def reads(submission: Submission, board: Board) -> frozenset[str]:
    """The modalities that the model reads, from its card; by default all modalities of the task."""
    task = get_task(board.task).reads
    return frozenset(task & set(submission.card.reads)) if submission.card.reads else task


def _without_effect(
    modality: str, corruptions: Sequence[Corruption], frames: Mapping[str, pd.DataFrame], board: Board
) -> list[Finding]:
    """Corruptions of a modality that the model reads, but that change nothing."""
    scored = [c for c in corruptions if _rows(c, frames, board) >= _LEAST_ROWS]
    same = [c.name for c in scored if _changed(c, frames, board, "score") == 0]
    unharmed = [c.name for c in scored if _changed(c, frames, board, "hits") < _FEW]
    if len(same) > _UNCHANGED[modality] * len(scored):
        found, what = same, "change no score"
    elif len(unharmed) > _UNHARMED * len(scored):
        found, what = unharmed, "change next to no hit"
    else:
        return []
    message = (
        f"{len(found)} of {len(scored)} corruptions of the {modality}, which the card says it reads, {what}"
    )
    return [flag(_WHERE, f"scores of clean under corruptions: {message}: {some(found)}")]


def _with_effect(
    modality: str, corruptions: Sequence[Corruption], frames: Mapping[str, pd.DataFrame], board: Board
) -> list[Finding]:
    """Corruptions that change scores although the card says that the model does not read the modality."""
    moved = [c.name for c in corruptions if _changed(c, frames, board, "hits") >= _FEW]
    if not moved:
        return []
    return [
        flag(
            "card.toml",
            f"says that the model does not read the {modality}; scores change under {some(moved)}",
        )
    ]


def _changed(corruption: Corruption, frames: Mapping[str, pd.DataFrame], board: Board, what: str) -> float:
    """The share of rows whose score, or whether it is a hit, differs from clean; over all severities."""
    changed = n = 0
    for label in board.labels_of(corruption.name):
        pair = [frames["clean"], frames[label]]
        clean, own = (
            f["score"].to_numpy() if what == "score" else get_task(board.task).wrong(f) for f in pair
        )
        there = ~np.isnan(own) & ~np.isnan(clean)
        changed += int(np.count_nonzero(own[there] != clean[there]))
        n += int(np.count_nonzero(there))
    return changed / n if n else 0.0


def _rows(corruption: Corruption, frames: Mapping[str, pd.DataFrame], board: Board) -> int:
    return sum(int(frames[label]["score"].notna().sum()) for label in board.labels_of(corruption.name))


def _helped(corruptions: Sequence[Corruption], submission: Submission, board: Board) -> list[Finding]:
    """Corruptions under which a model is significantly better at a higher severity, by a paired test."""
    metric = get_task(board.task).metric(board.metric)
    read = reads(submission, board)
    modalities = {*read, "pair"} if read == get_task(board.task).reads else read
    graded = [
        c.name for c in corruptions if c.modality in modalities and c.monotone and not c.meaning_changing
    ]
    frames = submission.frames
    steps = [
        (
            f"{name} {milder or 'clean'} to {harder}",
            f"{name}-{milder}" if milder else "clean",
            f"{name}-{harder}",
        )
        for name in graded
        for milder, harder in pairwise((0, *board.severities_of(name)))
    ]
    resampling = Resampling(frames["clean"]["group"].astype(str), _N_RESAMPLES, board.seed)
    cells = [
        (metric, frames[label].loc[frames[harder]["score"].notna()])  # the same rows on both sides
        for _, milder, harder in steps
        for label in (milder, harder)
    ]
    made = replicate_all(cells, resampling)
    found = [
        step
        for (step, _, _), milder, harder in zip(steps, made[::2], made[1::2], strict=True)
        if _is_better(harder, milder, metric)
    ]
    return [flag(_WHERE, f"better under more of a corruption: {some(found)}")] if found else []


def _is_better(harder: Replicates, milder: Replicates, metric: Metric) -> bool:
    """Whether it is significantly better."""
    if np.isnan(harder.value) or np.isnan(milder.value):
        return False
    verdict = significantly_better({"harder": harder, "milder": milder})
    return (("harder", "milder") if metric.higher_is_better else ("milder", "harder")) in verdict
