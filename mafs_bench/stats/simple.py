"""Metrics of any frame of per-sample scores: means and ratios of columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mafs_bench.stats.resampling import Array
from mafs_bench.types import IntervalRule, Metric


def mean_of(
    column: str = "score", low: float = 0.0, high: float = 1.0, interval: IntervalRule = "bootstrap-t"
) -> Metric:
    """The mean of a column, in [low, high]; rows of NaN are unscored. Source: arithmetic mean.

    interval: "proportion" for scores in [0, 1], of hits or of parts of them.
    """

    def columns(frame: pd.DataFrame) -> Array:
        score = frame[column].to_numpy(dtype=np.float64)
        return np.stack([score, np.where(np.isnan(score), np.nan, 1.0)], axis=1)

    return Metric(
        f"mean {column}", "any", low, high, True, "arithmetic mean", columns, _ratio, interval=interval
    )


def ratio_of(numerator: str, denominator: str, low: float = 0.0, high: float = 1.0) -> Metric:
    """Sum of one column over the sum of another, resampled as a ratio; NaN in either is unscored."""

    def columns(frame: pd.DataFrame) -> Array:
        return frame[[numerator, denominator]].to_numpy(dtype=np.float64)

    name = f"{numerator} / {denominator}"
    return Metric(name, "any", low, high, True, "ratio of sums", columns, _ratio, interval="bootstrap-t")


def _ratio(sums: Array) -> Array:
    return np.asarray(sums[..., 0] / sums[..., 1])
