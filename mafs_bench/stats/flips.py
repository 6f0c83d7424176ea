"""What a corruption does to single rows: right to wrong, wrong to right, and whether the answer stays.

A row is *right* where its own score is above 1/2: a hit of R@k, a won pair (a tie is not won), a soft accuracy of
VQA of .6 or more. Metrics that are no mean of scores in [0, 1] (AUROC, CIDEr) have no right rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mafs_bench.errors import UsageError
from mafs_bench.stats.resampling import Array, Replicates, Resampling, common_rows, mean, replicate_all
from mafs_bench.stats.simple import mean_of
from mafs_bench.types import Metric

Answers = Callable[[pd.DataFrame], Sequence[str]]
"""The answers of a frame's rows, in a form in which equal ones are the same string."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Shares of the rows that are scored clean and corrupted, n of them.

    destructive: #(right clean and wrong corrupted) / n. corrective: #(wrong clean and right corrupted) / n.
    consistency: #(same answer, right or wrong) / n; None where answers are not comparable.
    """

    destructive: Replicates
    corrective: Replicates
    consistency: Replicates | None = None


def has_right_rows(metric: Metric) -> bool:
    """Whether rows of a metric are right or wrong: it is a mean of scores in [0, 1]."""
    return metric.interval == "proportion" and metric.columns is not None


def right(metric: Metric, frame: pd.DataFrame) -> Array:
    """float64 (n,): 1 for a right row, 0 for a wrong one, NaN where unscored or not of the metric.

    Raises ``UsageError`` for a metric without right rows.
    """
    if not has_right_rows(metric) or metric.columns is None:
        raise UsageError(f"rows of {metric.name} are not right or wrong; allowed: a mean of scores in [0, 1]")
    columns = metric.columns(frame)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = columns[:, 0] / columns[:, 1]
    return np.where(np.isnan(own), np.nan, own > 0.5)


def flips(
    metric: Metric,
    clean: pd.DataFrame,
    corrupted: Sequence[pd.DataFrame],
    resampling: Resampling,
    answers: Answers | None = None,
) -> list[Flips]:
    """Flips of each corrupted frame against ``clean``, over the rows that all of them score.

    Their intervals are those of proportions, clustered as everywhere. ``answers`` gives what is compared for
    consistency; None: nothing. Raises ``UsageError``, ``DataError``.
    """
    (before, *after), _ = common_rows(metric, [clean, *corrupted])
    was = right(metric, before)
    counted = ~np.isnan(was)
    said = None if answers is None else np.asarray(answers(before), dtype=object)[counted]
    group, was = before["group"].to_numpy()[counted], was[counted]
    columns = []
    for frame in after:
        now = right(metric, frame)[counted]
        columns += [was * (1 - now), now * (1 - was)]
        if answers is not None:
            columns.append(
                np.asarray(np.asarray(answers(frame), dtype=object)[counted] == said, dtype=np.float64)
            )
    share = mean_of(interval="proportion")
    made = replicate_all(
        [(share, pd.DataFrame({"group": group, "score": column})) for column in columns], resampling
    )
    step = 2 if answers is None else 3
    return [Flips(*made[i : i + step]) for i in range(0, len(made), step)]


def mean_flips(parts: Sequence[Flips]) -> Flips:
    """The mean over conditions, such as the severities of a corruption."""
    same = [part.consistency for part in parts if part.consistency is not None]
    return Flips(
        mean([part.destructive for part in parts]),
        mean([part.corrective for part in parts]),
        mean(same) if len(same) == len(parts) else None,
    )
