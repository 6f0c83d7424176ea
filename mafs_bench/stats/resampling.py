"""Cluster bootstrap: whole clusters (images) are drawn with replacement, and one draw serves all cells.

A resample is a row of counts: how often each cluster was drawn. The counts are drawn once a seed and shared
by every cell that has the same clusters, so that differences between cells are paired. A metric that is a
function of sums needs one matrix product, ``counts @ sums of each cluster``. Sources: Efron and Tibshirani,
An Introduction to the Bootstrap (1993), chapters 8, 13, 14; Field and Welsh, JRSS B 69 (2007), for clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache, partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.errors import DataError, UsageError
from mafs_bench.seeding import stream
from mafs_bench.types import IntervalRule, Metric, row_keys

Array = npt.NDArray[np.float64]
Rule = IntervalRule | Literal["won-lost", "two-intervals"]
"""How an interval is made: as the metric says, or as a difference of two (``stats.intervals``)."""

_CHUNK_BYTES = 32 * 2**20
_CACHE_BYTES = 2 * 2**20
"""Counts are turned into floats in pieces that stay in a core's cache."""


class Resampling:
    """``n_resamples`` draws of clusters with replacement, determined only by the cluster names and the seed.

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
        """How often each cluster is in each resample; drawn when first asked for, and read-only."""
        return _counts(len(self.clusters), self.n_resamples, self.seed)

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


@lru_cache(maxsize=2)
def _counts(n: int, n_resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """Kept: the tasks of a run, its results and its table have the same."""
    rng = stream(seed, "bootstrap", "clusters", str(n))
    counts = np.empty((n_resamples, n), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, n, size=n, dtype=np.int32), minlength=n)
    counts.flags.writeable = False
    return counts


@dataclass(frozen=True)
class Replicates:
    """A number with its resampled values and what its interval needs; NaN where undefined.

    draw: gives the resampled values, float64 (n_resamples,); it is called when ``draws`` is first read.
    leave_one_out: gives float64 (n_clusters,), the number without each cluster in turn. n, n_unscored: rows
    behind it. present: bool (n_clusters,), clusters that have such rows. rule: how its interval is made; parts:
    the two numbers of a difference that is made from their intervals; scale: the most that one cluster can
    contribute to a mean, in the metric's units; bounds: the metric's range, which clips the interval.
    """

    value: float
    draw: Callable[[], Array]
    leave_one_out: Callable[[], Array]
    n: int
    n_unscored: int
    present: npt.NDArray[np.bool_]
    resampling: Resampling | None = None
    rule: Rule = "bootstrap-t"
    scale: float = 1.0
    parts: tuple[Replicates, ...] = ()
    bounds: tuple[float, float] = (-np.inf, np.inf)

    @cached_property
    def draws(self) -> Array:
        """The resampled values: float64 (n_resamples,)."""
        return self.draw()

    @property
    def n_clusters(self) -> int:
        """How many clusters have rows behind the number."""
        return int(np.count_nonzero(self.present))

    @cached_property
    def influence(self) -> Array:
        """What each cluster that is present adds to the number's error: float64 (n_clusters present,), in sum 0.

        The jackknife's: (n - 1) / n (value - value without the cluster). Source: Efron and Tibshirani (1993),
        chapter 11.
        """
        left = self.leave_one_out()[self.present]
        return np.asarray((self.value - left) * (1 - 1 / max(1, self.n_clusters)))

    @property
    def variance(self) -> float:
        """The jackknife variance of the number; that of linearisation for a ratio of sums."""
        n = self.n_clusters
        return float(np.sum(self.influence**2) * n / (n - 1)) if n > 1 else float("nan")


def unscored_rows(metric: Metric, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows belong to the metric but have no score: bool (n,)."""
    if metric.columns is not None:
        return np.asarray(np.isnan(metric.columns(frame)).any(axis=1))
    missing = np.asarray(frame["score"].isna().to_numpy(dtype=bool))
    return missing if metric.rows is None else missing & metric.rows(frame)


def replicate_all(cells: Sequence[tuple[Metric, pd.DataFrame]], resampling: Resampling) -> list[Replicates]:
    """Resample many cells at once: the columns of all cells with one rule go through one matrix product.

    Nothing is drawn before draws are read: intervals of proportions need none. Frames have a column ``group``
    and whatever the metric reads. Raises ``DataError``, ``UsageError``.
    """
    prepared = {
        i: _prepare(metric, frame, resampling)
        for i, (metric, frame) in enumerate(cells)
        if metric.columns is not None
    }
    found: dict[int, Replicates] = {}
    for rule in {cells[i][0].interval for i in prepared}:
        members = [i for i in prepared if cells[i][0].interval == rule]
        draws = _together([prepared[i].sums for i in members], resampling)
        for place, i in enumerate(members):
            found[i] = _from_sums(cells[i][0], prepared[i], resampling, partial(_at, draws, place))
    return [found[i] if i in found else _from_weights(*cell, resampling) for i, cell in enumerate(cells)]


def _together(blocks: Sequence[Array], resampling: Resampling) -> Callable[[], list[Array]]:
    """Push many (n_clusters, k) blocks through one product, when first asked: each becomes (n_resamples, k)."""

    @cache
    def resampled() -> list[Array]:
        ends = np.cumsum([block.shape[1] for block in blocks])
        return np.split(resampling.sums(np.concatenate(blocks, axis=1)), ends[:-1], axis=1)

    return resampled


def _at(arrays: Callable[[], list[Array]], place: int) -> Array:
    return arrays()[place]


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
    keys = row_keys(frames[0])
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
    """A number made of other numbers (ratio, worst case …), resampled as such; its interval is bootstrap-t.

    ``function`` maps arrays (or floats) elementwise; the parts must share one resampling. ``mean`` and
    ``difference`` keep the rule of their parts.
    """
    return Replicates(
        float(_quiet(function, *(np.float64(part.value) for part in parts))),
        lambda: np.asarray(_quiet(function, *(part.draws for part in parts)), dtype=np.float64),
        cache(lambda: np.asarray(_quiet(function, *(part.leave_one_out() for part in parts)))),
        min(part.n for part in parts),
        max(part.n_unscored for part in parts),
        np.logical_or.reduce([part.present for part in parts]),
        parts[0].resampling,
    )


def mean(parts: Sequence[Replicates]) -> Replicates:
    """The mean of numbers that share one resampling (over cells), with the rule of its parts."""

    def average(*values: Array) -> Array:
        return np.asarray(np.mean(np.asarray(values), axis=0))

    made = combine(average, *parts)
    rules = {part.rule for part in parts}
    low, high = min(part.bounds[0] for part in parts), max(part.bounds[1] for part in parts)
    made = replace(made, bounds=(low, high))
    if len(rules) > 1 or not rules <= {"proportion", "won-lost"}:
        return made
    return replace(made, rule=rules.pop(), scale=max(part.scale for part in parts))


def difference(a: Replicates, b: Replicates) -> Replicates:
    """The paired difference a - b of two numbers that share one resampling.

    Of proportions (and of differences of them) its interval comes from what clusters won and lost; of two
    AUROC from both intervals and their correlation; of anything else it is bootstrap-t.
    """
    made = combine(np.subtract, a, b)
    rules = {a.rule, b.rule}
    if rules <= {"proportion", "won-lost"}:
        scale = 1.0 if rules == {"proportion"} else a.scale + b.scale
        return replace(made, rule="won-lost", scale=scale)
    if rules == {"logit"}:
        return replace(made, rule="two-intervals", parts=(a, b))
    return made


def independent_difference(a: Replicates, b: Replicates) -> Replicates:
    """The difference a - b of numbers from different data sets, resampled with *different* seeds.

    Each cluster left out changes its own part alone (Efron and Tibshirani, 1993, chapter 14.5). The interval is
    made from those of a and b.
    """
    return Replicates(
        a.value - b.value,
        lambda: a.draws - b.draws,
        lambda: np.concatenate([a.leave_one_out() - b.value, a.value - b.leave_one_out()]),
        min(a.n, b.n),
        max(a.n_unscored, b.n_unscored),
        np.concatenate([a.present, b.present]),
        rule="two-intervals",
        parts=(a, b),
    )


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


def _from_sums(
    metric: Metric, prepared: _Prepared, resampling: Resampling, resampled: Callable[[], Array]
) -> Replicates:
    value, sums = metric.value, prepared.sums
    if value is None:
        raise UsageError(f"metric {metric.name!r} has columns but no value")
    if prepared.n == 0:
        return _undefined(metric, prepared.n_unscored, resampling)
    total = sums.sum(axis=0)
    return Replicates(
        float(_quiet(value, total)),
        lambda: np.asarray(_quiet(value, resampled())),
        cache(lambda: np.asarray(_quiet(value, total - sums))),
        prepared.n,
        prepared.n_unscored,
        np.asarray(sums.any(axis=1)),
        resampling,
        metric.interval,
        bounds=(metric.low, metric.high),
    )


def _from_weights(metric: Metric, frame: pd.DataFrame, resampling: Resampling) -> Replicates:
    weighted, influence = metric.weighted, metric.influence
    if weighted is None:
        raise UsageError(f"metric {metric.name!r} has neither columns nor weighted")
    if metric.rows is not None:
        frame = frame.loc[metric.rows(frame)]
    missing = unscored_rows(metric, frame)
    scored = frame.loc[~missing]
    n, n_unscored, n_clusters = len(scored), int(missing.sum()), len(resampling.clusters)
    if n == 0:
        return _undefined(metric, n_unscored, resampling)
    groups = scored["group"].to_numpy()
    positions = resampling.positions(groups)
    present = np.bincount(positions, minlength=n_clusters) > 0
    value = float(weighted(scored, np.ones((1, n)))[0])

    def draw() -> Array:
        chunks = resampling.chunks(n, _CACHE_BYTES)
        return np.concatenate([weighted(scored, counts[:, positions]) for counts in chunks])

    def leave_one_out() -> Array:
        if influence is not None:
            own = resampling.cluster_sums(groups, influence(scored)[:, None])[:, 0]
            return np.asarray(value - own / (1 - 1 / max(2, int(np.count_nonzero(present)))))
        step = max(1, _CHUNK_BYTES // (8 * n))
        chunks = np.split(np.arange(n_clusters), range(step, n_clusters, step))
        return np.concatenate([weighted(scored, (positions != out[:, None]) * 1.0) for out in chunks])

    return Replicates(
        value,
        draw,
        cache(leave_one_out),
        n,
        n_unscored,
        np.asarray(present),
        resampling,
        metric.interval,
        bounds=(metric.low, metric.high),
    )


def _undefined(metric: Metric, n_unscored: int, resampling: Resampling) -> Replicates:
    n, n_resamples = len(resampling.clusters), resampling.n_resamples
    return Replicates(
        np.nan,
        lambda: np.full(n_resamples, np.nan),
        lambda: np.full(n, np.nan),
        0,
        n_unscored,
        np.zeros(n, dtype=bool),
        resampling,
        metric.interval,
        bounds=(metric.low, metric.high),
    )


def _quiet(function: Callable[..., Array | float], *values: Array | float) -> Array | float:
    """Call it where x/0 is an answer: NaN, undefined, whatever x is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        made = function(*values)
    return np.where(np.isinf(made), np.nan, made)
