"""Retrieval metrics on frames of ranks (column ``score``: rank of the first correct item, NaN unscored).

In a metric's columns, a row of zeros does not belong to the metric; a row of NaN belongs to it and is unscored. For
pairs with human judgements there are also columns ``map_at_r`` and ``r_precision``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.metrics.columns import mean_of
from mafs_bench.types import Metric

Array = npt.NDArray[np.float64]
_SOURCE = "recall at k as of Karpathy and Fei-Fei, arXiv 1412.2306"
_KS = (1, 5, 10)


def _selected(frame: pd.DataFrame, direction: str | None) -> npt.NDArray[np.bool_]:
    if direction is None:
        return np.ones(len(frame), dtype=bool)
    return np.asarray(frame["direction"].to_numpy() == direction)


def _mean_of(gain: Callable[[Array], Array], direction: str | None) -> Callable[[pd.DataFrame], Array]:
    """Columns (gain of the rank, 1) for the rows of one direction."""

    def columns(frame: pd.DataFrame) -> Array:
        rank = frame["score"].to_numpy(dtype=np.float64)
        chosen = _selected(frame, direction)
        scored = np.where(np.isnan(rank), np.nan, 1.0)
        return np.where(chosen[:, None], np.stack([gain(rank) * scored, scored], axis=1), 0.0)

    return columns


def _ratio(sums: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _hit(k: int) -> Callable[[Array], Array]:
    return lambda rank: (rank <= k).astype(np.float64)


def _reciprocal(rank: Array) -> Array:
    return 1.0 / rank


def _rank(rank: Array) -> Array:
    return rank


def median_rank(frame: pd.DataFrame, weights: Array) -> Array:
    """Median rank per resample, integer weights (r, n) -> (r,): the mean of the two middle ranks if n is even."""
    from mafs_bench.metrics.running_sums import medians  # imports numba, which is slow to load

    rank = frame["score"].to_numpy(dtype=np.float64)
    order = np.argsort(rank, kind="stable")
    out = np.empty(len(weights))
    medians(weights, order, rank[order], out)
    return out


def _median(direction: str) -> Metric:
    source = "Med r of Karpathy and Fei-Fei, arXiv 1412.2306; not rounded down as in VSE++'s code"

    def rows(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
        return _selected(frame, direction)

    name = f"{direction}_medr"
    return Metric(
        name, "retrieval", 1.0, np.inf, False, source, weighted=median_rank, rows=rows, interval="percentile"
    )


def _mean(direction: str) -> Metric:
    source = "mean rank as in VSE++ (Faghri et al., BMVC 2018)"
    columns = _mean_of(_rank, direction)
    return Metric(
        f"{direction}_meanr", "retrieval", 1.0, np.inf, False, source, columns, _ratio, interval="bootstrap-t"
    )


def _recall(name: str, task: str, k: int, direction: str | None) -> Metric:
    return Metric(
        name,
        task,
        0.0,
        1.0,
        True,
        _SOURCE,
        _mean_of(_hit(k), direction),
        _ratio,
        chance=lambda frame: _chance(frame, k, direction),
        interval="proportion",
    )


def _chance(frame: pd.DataFrame, k: int, direction: str | None) -> float:
    """R@k of a random order: k divided by the number of images.

    Exact for text queries, which have one correct image. For image queries with equally many captions per image it is
    exact for k = 1 and slightly too high for k > 1.
    """
    return min(1.0, k / max(1, frame.loc[_selected(frame, direction), "group"].nunique()))


def _rsum_columns(frame: pd.DataFrame) -> Array:
    parts = [_mean_of(_hit(k), direction)(frame) for direction in ("t2i", "i2t") for k in _KS]
    hits = np.stack([part[:, 0] for part in parts], axis=1)
    return np.concatenate([hits, parts[0][:, 1:], parts[-1][:, 1:]], axis=1)


def _rsum(sums: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., :3].sum(-1) / sums[..., 6] + sums[..., 3:6].sum(-1) / sums[..., 7])


def _judged(name: str, direction: str, source: str) -> Metric:
    """The mean of a column that exists for pairs with human judgements."""
    read = mean_of(name)

    def columns(frame: pd.DataFrame) -> Array:
        return np.where(_selected(frame, direction)[:, None], read(frame), 0.0)

    return Metric(
        f"{direction}_{name}", "retrieval", 0.0, 1.0, True, source, columns, _ratio, interval="bootstrap-t"
    )


RETRIEVAL_METRICS: tuple[Metric, ...] = (
    *(_recall(f"{d}_r{k}", "retrieval", k, d) for d in ("t2i", "i2t") for k in _KS),
    Metric(
        "rsum",
        "retrieval",
        0.0,
        6.0,
        True,
        "sum of the six recalls, as fractions",
        _rsum_columns,
        _rsum,
        interval="bootstrap-t",
    ),
    Metric(
        "mrr",
        "retrieval",
        0.0,
        1.0,
        True,
        "mean reciprocal rank, both directions",
        _mean_of(_reciprocal, None),
        _ratio,
        interval="bootstrap-t",
    ),
    *(make(direction) for make in (_median, _mean) for direction in ("t2i", "i2t")),
    *(
        _judged(name, direction, source)
        for name, source in (
            ("map_at_r", "mAP@R: Musgrave et al., ECCV 2020; Chun et al., ECCV 2022 (eccv_caption)"),
            ("r_precision", "R-Precision as in Chun et al., ECCV 2022 (eccv_caption)"),
        )
        for direction in ("t2i", "i2t")
    ),
)

FUSED_METRICS: tuple[Metric, ...] = (
    *(_recall(f"r{k}", "fused-retrieval", k, None) for k in _KS),
    Metric(
        "mrr",
        "fused-retrieval",
        0.0,
        1.0,
        True,
        "mean reciprocal rank",
        _mean_of(_reciprocal, None),
        _ratio,
        interval="bootstrap-t",
    ),
)
