"""Calibration and selective prediction: can a model's confidence be trusted?

Expected calibration error over 15 equal bins (Naeini et al., AAAI 2015; Guo et al., arXiv 1706.04599);
area under the risk-coverage curve (Geifman et al., arXiv 1805.08206).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mafs_bench.metrics.columns import Array, run_starts
from mafs_bench.types import Metric

N_BINS = 15
Column = Callable[[pd.DataFrame], Array]
"""Reads one number per row, float64 (n,), NaN if missing."""


def ece(task: str, confidence: Column, outcome: Column) -> Metric:
    """Mean gap between confidence and outcome (in [0, 1]) over the bins, weighted by bin size."""

    def columns(frame: pd.DataFrame) -> Array:
        return _binned(confidence(frame), outcome(frame)).reshape(len(frame), 3 * N_BINS)

    def value(sums: Array) -> Array:
        count, stated, found = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, N_BINS), -2, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.abs(stated - found).sum(axis=-1) / count.sum(axis=-1))

    return Metric(
        "ece",
        task,
        0.0,
        1.0,
        False,
        "Guo et al., arXiv 1706.04599, 15 bins",
        columns,
        value,
        interval="bootstrap-t",
    )


def aurc(task: str, confidence: Column, loss: Column) -> Metric:
    """Mean loss (in [0, 1]) of the answered rows, over all coverages; rows of equal confidence enter together."""

    def weighted(frame: pd.DataFrame, weights: Array) -> Array:
        stated, lost = confidence(frame), loss(frame)
        if np.isnan(stated + lost).any():
            return np.full(len(weights), np.nan)
        from mafs_bench.metrics.running_sums import mean_risks  # imports numba, which is slow to load

        order = np.argsort(-stated, kind="stable")
        out = np.empty(len(weights))
        mean_risks(weights, order, run_starts(stated[order]), lost, out)
        return out

    return Metric(
        "aurc",
        task,
        0.0,
        1.0,
        False,
        "Geifman et al., arXiv 1805.08206",
        weighted=weighted,
        interval="bootstrap-t",
    )


def _binned(confidence: Array, outcome: Array) -> Array:
    """(n, 3, bins): 1, confidence and outcome in the row's bin, 0 in the other bins; unscored rows are NaN."""
    scored = ~np.isnan(confidence + outcome)
    bins = np.clip((np.where(scored, confidence, 0) * N_BINS).astype(np.int64), 0, N_BINS - 1)
    table = np.zeros((len(confidence), 3, N_BINS))
    rows = np.arange(len(confidence))
    table[rows, 0, bins], table[rows, 1, bins], table[rows, 2, bins] = 1.0, confidence, outcome
    table[~scored] = np.nan
    return table
