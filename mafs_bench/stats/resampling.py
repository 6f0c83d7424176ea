"""Cluster bootstrap: whole clusters (images) are drawn with replacement, and one draw serves all cells.

A resample is a row of counts: how often each cluster was drawn. The counts are drawn once a seed and shared
by every cell that has the same clusters, so that differences between cells are paired. A metric that is a
function of sums needs one matrix product, ``counts @ sums of each cluster``. Sources: Efron and Tibshirani,
An Introduction to the Bootstrap (1993), chapters 8, 13, 14; Field and Welsh, JRSS B 69 (2007), for clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from mafs_bench.errors import DataError, UsageError
from mafs_bench.seeding import stream
from mafs_bench.types import Estimate, Metric

Array = npt.NDArray[np.float64]
Method = Literal["percentile", "bca"]

_CHUNK_BYTES = 32 * 2**20
_CACHE_BYTES = 2 * 2**20
"""Counts are turned into floats in pieces that stay in a core's cache."""
_LEAST_DEFINED = 0.95
"""The share of resamples that must give a value: below it there is no interval."""


class Resampling:
    """``n_resamples`` draws of clusters with replacement, decided by the cluster names and the seed alone.

    clusters: the sorted distinct names. counts: uint16 (n_resamples, n_clusters), rows that sum to
    n_clusters. Raises ``UsageError`` for fewer than one resample or no cluster.
    """

    def __init__(self, clusters: Iterable[str], n_resamples: int = 2000, seed: int = 0) -> None:
        names = pd.Index(sorted(set(clusters)))
        if n_resamples < 1 or len(names) == 0:
            raise UsageError(f"{n_resamples} resamples of {len(names)} clusters; allowed: at least 1 of each")
        self.clusters = names
        self.n_resamples = n_resamples
        self.seed = seed

    @cached_property
    def counts(self) -> npt.NDArray[np.uint16]:
        """How often each cluster is in each resample; drawn when first asked for."""
        n = len(self.clusters)
        rng = stream(self.seed, "bootstrap", "clusters", str(n))
        counts = np.empty((self.n_resamples, n), dtype=np.uint16)
        for row in counts:
            row[:] = np.bincount(rng.integers(0, n, size=n, dtype=np.int32), minlength=n)
        return counts

    def positions(self, groups: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
        """The cluster of each row, (n,). Raises ``DataError`` for a cluster that is not among them."""
        found = self.clusters.get_indexer(pd.Index(groups))
        if (found < 0).any():
            stranger = groups[int(np.argmax(found < 0))]
            raise DataError(f"cluster {stranger!r} is not among the {len(self.clusters)} that were resampled")
        return found

    def cluster_sums(self, groups: npt.NDArray[np.object_], columns: Array) -> Array:
        """Sum (n, k) rows within their clusters: (n_clusters, k)."""
        positions = self.positions(groups)
        n = len(self.clusters)
        return np.stack([np.bincount(positions, column, minlength=n) for column in columns.T], axis=1)

    def sums(self, cluster_sums: Array) -> Array:
        """Sums of every resample: (n_clusters, k) -> (n_resamples, k), in bounded memory."""
        parts = [counts @ cluster_sums for counts in self.chunks(len(self.clusters), _CACHE_BYTES)]
        return np.concatenate(parts)

    def chunks(self, row_length: int, memory: int) -> Iterator[Array]:
        """The counts as float64, so many resamples at a time that rows of ``row_length`` fit in ``memory`` bytes."""
        step = max(1, memory // (8 * max(row_length, len(self.clusters))))
        for start in range(0, self.n_resamples, step):
            yield self.counts[start : start + step].astype(np.float64)


@dataclass(frozen=True)
class Replicates:
    """A number with its resampled values; NaN where undefined.

    draws: float64 (n_resamples,). leave_one_out: gives float64 (n_clusters,), the number without each
    cluster in turn (only BCa asks). n, n_unscored: rows behind it; n_clusters: clusters with such rows.
    """

    value: float
    draws: Array
    leave_one_out: Callable[[], Array]
    n: int
    n_unscored: int
    n_clusters: int


def unscored_rows(metric: Metric, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows belong to the metric but have no score: bool (n,)."""
    if metric.columns is not None:
        return np.asarray(np.isnan(metric.columns(frame)).any(axis=1))
    missing = np.asarray(frame["score"].isna().to_numpy(dtype=bool))
    return missing if metric.rows is None else missing & metric.rows(frame)


def replicate_all(cells: Sequence[tuple[Metric, pd.DataFrame]], resampling: Resampling) -> list[Replicates]:
    """Resample many cells at once: every column of every cell goes through one matrix product.

    Frames have a column ``group`` and whatever the metric reads. Raises ``DataError``, ``UsageError``.
    """
    prepared = {
        i: _prepare(metric, frame, resampling)
        for i, (metric, frame) in enumerate(cells)
        if metric.columns is not None
    }
    blocks = _resample_together([part.sums for part in prepared.values()], resampling)
    made = {
        i: _from_sums(cells[i][0], part, block)
        for (i, part), block in zip(prepared.items(), blocks, strict=True)
    }
    return [made[i] if i in made else _from_weights(*cell, resampling) for i, cell in enumerate(cells)]


def replicate(metric: Metric, frame: pd.DataFrame, resampling: Resampling) -> Replicates:
    """Resample one metric of one cell."""
    return replicate_all([(metric, frame)], resampling)[0]


def replicate_paired(
    metric: Metric, frames: Sequence[pd.DataFrame], resampling: Resampling
) -> list[Replicates]:
    """Resample one metric of several cells over the rows that are scored in all of them.

    Rows are matched by ``id`` (and ``direction`` where there is one); the rest counts as unscored. Raises
    ``DataError`` for ids that are there twice.
    """
    matched, left_out = common_rows(metric, frames)
    made = replicate_all([(metric, frame) for frame in matched], resampling)
    return [replace(one, n_unscored=left_out) for one in made]


def common_rows(metric: Metric, frames: Sequence[pd.DataFrame]) -> tuple[list[pd.DataFrame], int]:
    """The rows that every frame has and has a score for, in one order, and how many were unscored in one."""
    matched = _matched(frames)
    missing = np.any([unscored_rows(metric, frame) for frame in matched], axis=0)
    return [frame.loc[~missing].reset_index(drop=True) for frame in matched], int(missing.sum())


def _matched(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The rows whose key every frame has, in the order of the first. Raises ``DataError``."""
    keys = ["id", "direction"] if "direction" in frames[0] else ["id"]
    for frame in frames:
        twice = frame.duplicated(keys)
        if twice.any():
            raise DataError(f"two rows have the id {frame['id'][twice].iloc[0]!r}: rows cannot be paired")
    first = frames[0][keys].reset_index(drop=True)
    if all(frame[keys].reset_index(drop=True).equals(first) for frame in frames[1:]):
        return [frame.reset_index(drop=True) for frame in frames]
    keyed = [frame.set_index(keys, drop=False) for frame in frames]
    shared = keyed[0].index
    for frame in keyed[1:]:
        shared = shared.intersection(frame.index, sort=False)
    return [frame.loc[shared].reset_index(drop=True) for frame in keyed]


def combine(function: Callable[..., Array | float], *parts: Replicates) -> Replicates:
    """A number made of other numbers (drop, ratio, mean …), resampled as such.

    ``function`` maps arrays (or floats) elementwise; the parts must share one resampling.
    """

    def leave_one_out() -> Array:
        return np.asarray(_quiet(function, *(part.leave_one_out() for part in parts)))

    return Replicates(
        float(_quiet(function, *(np.float64(part.value) for part in parts))),
        np.asarray(_quiet(function, *(part.draws for part in parts)), dtype=np.float64),
        leave_one_out,
        min(part.n for part in parts),
        max(part.n_unscored for part in parts),
        min(part.n_clusters for part in parts),
    )


def combine_independent(function: Callable[..., Array | float], *parts: Replicates) -> Replicates:
    """As ``combine``, of parts from different data sets, resampled with *different* seeds.

    Each cluster left out changes its own part alone (Efron and Tibshirani, 1993, chapter 14.5).
    """

    def leave_one_out() -> Array:
        values = [np.float64(part.value) for part in parts]
        moved = [
            np.asarray(_quiet(function, *values[:i], part.leave_one_out(), *values[i + 1 :]))
            for i, part in enumerate(parts)
        ]
        return np.concatenate([one - np.nanmean(one) for one in moved])

    return replace(combine(function, *parts), leave_one_out=leave_one_out)


def estimate(replicates: Replicates, level: float = 0.95, method: Method = "percentile") -> Estimate:
    """Value and interval of ``replicates``; no interval for one cluster or where resamples are undefined.

    Percentile: quantiles of the draws. BCa: the same with bias and acceleration corrected (Efron, JASA 82,
    1987). Where all draws are equal the interval is that point. Raises ``UsageError``.
    """
    _check(level, method)
    n, n_unscored = replicates.n, replicates.n_unscored
    if np.isnan(replicates.value):
        return Estimate(None, None, None, n, n_unscored)
    draws = replicates.draws[~np.isnan(replicates.draws)]
    if replicates.n_clusters < 2 or len(draws) < _LEAST_DEFINED * len(replicates.draws):
        return Estimate(replicates.value, None, None, n, n_unscored)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and np.ptp(draws) > 0:
        tails = _bca_tails(replicates, draws, tails)
    low, high = np.quantile(draws, tails)
    return Estimate(replicates.value, float(low), float(high), n, n_unscored)


def interval(
    metric: Metric,
    frame: pd.DataFrame,
    resampling: Resampling,
    level: float = 0.95,
    method: Method = "percentile",
) -> Estimate:
    """A metric of a cell with its interval; ``None`` where nothing could be scored."""
    return estimate(replicate(metric, frame, resampling), level, method)


def intervals(
    metrics: Sequence[Metric],
    frame: pd.DataFrame,
    resampling: Resampling,
    level: float = 0.95,
    method: Method = "percentile",
) -> dict[str, Estimate]:
    """All metrics of a cell with their intervals, by name."""
    made = replicate_all([(metric, frame) for metric in metrics], resampling)
    return {m.name: estimate(r, level, method) for m, r in zip(metrics, made, strict=True)}


def two_sided_p(replicates: Replicates, null: float = 0.0) -> float | None:
    """Two-sided bootstrap p of "the number is ``null``": 2 min(P(draw <= null), P(draw >= null)).

    In [2 / (R + 1), 1] for R draws (Davison and Hinkley, 1997, (4.11)); None where undefined.
    """
    draws = replicates.draws[~np.isnan(replicates.draws)]
    if np.isnan(replicates.value) or len(draws) == 0:
        return None
    least = min(np.count_nonzero(draws <= null), np.count_nonzero(draws >= null))
    return float(min(1.0, 2 * (least + 1) / (len(draws) + 1)))


@dataclass(frozen=True)
class _Prepared:
    """sums: (n_clusters, k), sums of the scored rows of each cluster."""

    sums: Array
    n: int
    n_unscored: int


def _prepare(metric: Metric, frame: pd.DataFrame, resampling: Resampling) -> _Prepared:
    assert metric.columns is not None
    columns = metric.columns(frame)
    scored = ~np.isnan(columns).any(axis=1)
    sums = resampling.cluster_sums(frame["group"].to_numpy()[scored], columns[scored])
    n = int(np.count_nonzero(columns[scored].any(axis=1)))
    return _Prepared(sums, n, int(np.count_nonzero(~scored)))


def _resample_together(blocks: Sequence[Array], resampling: Resampling) -> list[Array]:
    """Push many (n_clusters, k) blocks through one product: each becomes (n_resamples, k)."""
    if not blocks:
        return []
    ends = np.cumsum([block.shape[1] for block in blocks])
    return np.split(resampling.sums(np.concatenate(blocks, axis=1)), ends[:-1], axis=1)


def _from_sums(metric: Metric, prepared: _Prepared, resampled: Array) -> Replicates:
    value, sums = metric.value, prepared.sums
    if value is None:
        raise UsageError(f"metric {metric.name!r} has columns but no value")
    if prepared.n == 0:
        return _undefined(prepared.n_unscored, len(resampled), len(sums))
    total = sums.sum(axis=0)
    return Replicates(
        float(_quiet(value, total)),
        np.asarray(_quiet(value, resampled)),
        lambda: np.asarray(_quiet(value, total - sums)),
        prepared.n,
        prepared.n_unscored,
        int(np.count_nonzero(sums.any(axis=1))),
    )


def _from_weights(metric: Metric, frame: pd.DataFrame, resampling: Resampling) -> Replicates:
    weighted = metric.weighted
    if weighted is None:
        raise UsageError(f"metric {metric.name!r} has neither columns nor weighted")
    if metric.rows is not None:
        frame = frame.loc[metric.rows(frame)]
    missing = unscored_rows(metric, frame)
    scored = frame.loc[~missing]
    n, n_unscored, n_clusters = len(scored), int(missing.sum()), len(resampling.clusters)
    if n == 0:
        return _undefined(n_unscored, resampling.n_resamples, n_clusters)
    positions = resampling.positions(scored["group"].to_numpy())

    def leave_one_out() -> Array:
        step = max(1, _CHUNK_BYTES // (8 * n))
        chunks = np.split(np.arange(n_clusters), range(step, n_clusters, step))
        return np.concatenate([weighted(scored, (positions != out[:, None]) * 1.0) for out in chunks])

    chunks = resampling.chunks(n, _CACHE_BYTES)
    return Replicates(
        float(weighted(scored, np.ones((1, n)))[0]),
        np.concatenate([weighted(scored, counts[:, positions]) for counts in chunks]),
        leave_one_out,
        n,
        n_unscored,
        len(np.unique(positions)),
    )


def _undefined(n_unscored: int, n_resamples: int, n_clusters: int) -> Replicates:
    nothing = np.full(n_resamples, np.nan)
    return Replicates(np.nan, nothing, lambda: np.full(n_clusters, np.nan), 0, n_unscored, 0)


def _bca_tails(replicates: Replicates, draws: Array, tails: Array) -> Array:
    """The quantiles that BCa reads instead of ``tails``."""
    below = (np.mean(draws < replicates.value) + np.mean(draws <= replicates.value)) / 2
    least = 0.5 / len(draws)
    bias = ndtri(np.clip(below, least, 1 - least))
    left = replicates.leave_one_out()
    influence = np.nanmean(left) - left[~np.isnan(left)]
    spread = np.sum(influence**2) ** 1.5
    acceleration = np.sum(influence**3) / (6 * spread) if spread > 0 else 0.0
    shifted = bias + ndtri(tails)
    return np.asarray(ndtr(bias + shifted / (1 - acceleration * shifted)))


def _check(level: float, method: str) -> None:
    if not 0 < level < 1:
        raise UsageError(f"level = {level!r}; allowed: between 0 and 1, such as 0.95")
    if method not in ("percentile", "bca"):
        raise UsageError(f"method = {method!r}; allowed: percentile, bca")


def _quiet(function: Callable[..., Array | float], *values: Array | float) -> Array | float:
    """Call it where x/0 is an answer: NaN, undefined, whatever x is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        made = function(*values)
    return np.where(np.isinf(made), np.nan, made)
