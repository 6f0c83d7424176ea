"""Flips of a run's conditions as shares with intervals: which metric says what is right, and which answers compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mafs_bench.stats.flips import Flips, flips, has_right_rows, mean_flips
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import get_task
from mafs_bench.types import Estimate, Metric


@dataclass(frozen=True, slots=True)
class FlipShares:
    """``stats.flips.Flips`` as estimates; consistency is None where answers are not comparable."""

    destructive: Estimate
    corrective: Estimate
    consistency: Estimate | None


def flip_metric(task: str) -> Metric | None:
    """What says which rows are right: the primary metric, else the first that can (pair accuracy for matching)."""
    chosen = get_task(task)
    metrics = sorted(chosen.metrics, key=lambda metric: metric.name != chosen.primary)
    return next((metric for metric in metrics if has_right_rows(metric)), None)


def flip_shares(
    task: str,
    metric: Metric,
    frames: Sequence[pd.DataFrame],
    severities: Sequence[int],
    resampling: Resampling,
) -> tuple[Mapping[int, FlipShares], FlipShares]:
    """Flips by severity and their mean over severities; ``frames`` hold clean first."""
    found = flips(metric, frames[0], frames[1:], resampling, get_task(task).answers)
    by_severity = {s: _shares(one) for s, one in zip(severities, found, strict=True)}
    return by_severity, _shares(mean_flips(found))


def _shares(one: Flips) -> FlipShares:
    same = None if one.consistency is None else estimate(one.consistency)
    return FlipShares(estimate(one.destructive), estimate(one.corrective), same)
