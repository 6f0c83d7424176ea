"""Tests between two models on the same samples, corrections, and margins.

Where samples share an image they are not independent: the permutation test swaps whole clusters. McNemar and
Wilcoxon assume independent pairs, which is right only for one row per cluster; pass them cluster means,
or read them as a check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from mafs_bench.errors import UsageError
from mafs_bench.seeding import stream
from mafs_bench.stats.intervals import has_exact_tail, tail
from mafs_bench.stats.resampling import Array, Replicates, Resampling, common_rows
from mafs_bench.types import Metric

_EXACT_UP_TO = 14
"""Clusters that differ between the models: with no more, all 2**n swaps are enumerated."""
_CHUNK = 2**9
_ROUNDING = 1e-9
_MOST_CLUSTERS = 10_000_000


@dataclass(frozen=True, slots=True)
class TestResult:
    """Outcome of a test: statistic in the test's own units, two-sided p (None where undefined).

    n: what was counted as independent (clusters or pairs). exact: enumerated, not drawn or approximated.
    """

    __test__ = False  # pytest: not a test case

    statistic: float
    p: float | None
    n: int
    exact: bool


def cluster_permutation(
    metric: Metric, a: pd.DataFrame, b: pd.DataFrame, n_permutations: int = 10_000, seed: int = 0
) -> TestResult:
    """Paired permutation test of metric(a) - metric(b): the models' rows are swapped cluster by cluster.

    Null: which model made a cluster's scores does not matter. For a mean it is the sign-flip test. p is exact
    where at most 14 clusters differ, else (hits + 1) / (n_permutations + 1); the statistic is the difference.
    Rows unscored in either are left out. Source: Good, Permutation, Parametric, and Bootstrap Tests of
    Hypotheses (2005), chapter 3; Winkler et al., NeuroImage 92 (2014), for whole-block exchange.
    """
    return cluster_permutations([(metric, a, b)], n_permutations, seed)[0]


def cluster_permutations(
    cells: Iterable[tuple[Metric, pd.DataFrame, pd.DataFrame]], n_permutations: int = 10_000, seed: int = 0
) -> list[TestResult]:
    """``cluster_permutation`` of many cells with the same swaps, in one matrix product."""
    swappings = [_swapping(*cell) for cell in cells]
    results = {i: _enumerate(one) for i, one in enumerate(swappings) if one.n_differing <= _EXACT_UP_TO}
    drawn = [i for i in range(len(swappings)) if i not in results]
    clusters = sorted({name for i in drawn for name in swappings[i].clusters})
    extreme = np.zeros(len(swappings), dtype=np.int64)
    moved, ends = _stack([swappings[i] for i in drawn], clusters)
    for swaps in _random_swaps(len(clusters), n_permutations if drawn else 0, seed):
        for i, change in zip(drawn, np.split(swaps @ moved, ends, axis=1), strict=True):
            extreme[i] += swappings[i].extreme(change)
    for i in drawn:
        one, p = swappings[i], float((extreme[i] + 1) / (n_permutations + 1))
        undefined = np.isnan(one.observed)
        results[i] = TestResult(one.observed, None if undefined else p, one.n_differing, False)
    return [results[i] for i in range(len(swappings))]


def mcnemar(hits_a: npt.ArrayLike, hits_b: npt.ArrayLike) -> TestResult:
    """Exact McNemar test on paired hits (n,) of 0 and 1 (NaN: left out); statistic: share won minus lost.

    Two-sided binomial test of the discordant pairs; n counts those. It takes the pairs for independent: with
    several rows a cluster it is a check, not a claim. Source: McNemar, Psychometrika 12 (1947).
    """
    a, b = _pairs(hits_a, hits_b)
    won, lost = int(np.count_nonzero(a > b)), int(np.count_nonzero(a < b))
    if len(a) == 0:
        return TestResult(float("nan"), None, 0, True)
    p = float(scipy.stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return TestResult((won - lost) / len(a), p, won + lost, True)


def wilcoxon(a: npt.ArrayLike, b: npt.ArrayLike, clusters: npt.ArrayLike | None = None) -> TestResult:
    """Wilcoxon signed-rank test on paired scores (n,); on cluster means where ``clusters`` (n,) are given.

    Statistic: matched-pairs rank-biserial correlation in [-1, 1], above 0 where ``a`` is better. Differences
    of zero are left out. Exact up to 50 differences without ties. Source: Wilcoxon, Biometrics 1 (1945);
    Kerby, Comprehensive Psychology 3 (2014), for the effect size.
    """
    keys = np.arange(np.size(np.asarray(a))) if clusters is None else np.asarray(clusters)
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    means = pd.Series(difference).dropna().groupby(keys[~np.isnan(difference)]).mean().to_numpy()
    nonzero = means[np.abs(means) > _ROUNDING]
    if len(nonzero) == 0:
        return TestResult(0.0 if len(means) else float("nan"), 1.0 if len(means) else None, 0, True)
    ranks = scipy.stats.rankdata(np.abs(nonzero))
    exact = len(nonzero) <= 50 and len(np.unique(ranks)) == len(ranks)
    method: Literal["exact", "approx"] = "exact" if exact else "approx"
    p = float(scipy.stats.wilcoxon(nonzero, method=method).pvalue)
    return TestResult(float(np.sum(ranks * np.sign(nonzero)) / np.sum(ranks)), p, len(nonzero), exact)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm-adjusted p, in the order given: controls the chance of *any* false claim in the family.

    None stays None and is not counted. Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """

    def adjust(ordered: Array) -> Array:
        return np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))

    return _adjusted(p_values, adjust)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p (q), in the order given: controls the *share* of false ones among what is reported.

    None stays None and is not counted. Source: Benjamini and Hochberg, JRSS B 57 (1995).
    """

    def adjust(ordered: Array) -> Array:
        scaled = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
        return np.minimum.accumulate(scaled[::-1])[::-1]

    return _adjusted(p_values, adjust)


def non_inferiority(difference: Replicates, margin: float) -> TestResult:
    """One-sided test of "new - old > -margin", in the metric's units, higher being better.

    A small p says: not worse by as much as ``margin``. It inverts the interval of a difference of proportions or
    AUROC, which also holds where nothing differs; else it is Student's t with the bootstrap standard error and
    (clusters - 1) degrees of freedom, None where there is no spread; statistic: t. Raises ``UsageError`` for a
    negative margin. Source: Wellek, Testing Statistical Hypotheses of Equivalence and Noninferiority (2010),
    chapter 1.
    """
    return _one_sided(difference, _checked(margin), sign=1)


def inferiority(difference: Replicates, margin: float = 0.0) -> TestResult:
    """One-sided test of "new - old < -margin", as ``non_inferiority``: a small p says that it is worse."""
    return _one_sided(difference, -_checked(margin), sign=-1)


def t_test(replicates: Replicates, null: float = 0.0) -> TestResult:
    """Two-sided test of "the number is ``null``", as ``non_inferiority``.

    p is accurate enough for corrections over many tests.

    p is never below 2 ** (1 - clusters), the least that swapping clusters can give: where all differ by the same,
    the standard error is 0 and says nothing.
    """
    least = 2.0 ** (1 - replicates.n_clusters)
    if replicates.value < null:
        side = _one_sided(replicates, null, -1)
        side = replace(side, statistic=-side.statistic)
    else:
        side = _one_sided(replicates, -null, 1)
    if side.p is not None:
        return replace(side, p=min(1.0, max(least, 2 * side.p)))
    return side if np.isnan(side.statistic) else replace(side, p=least)


def standard_error(replicates: Replicates) -> float | None:
    """Standard deviation of the draws; None for one cluster or where nothing is defined."""
    draws = replicates.draws[~np.isnan(replicates.draws)]
    return float(np.std(draws, ddof=1)) if replicates.n_clusters > 1 and len(draws) > 1 else None


def effect_size(difference: Replicates) -> float | None:
    """Cohen's d_z over clusters: the difference by its standard deviation; None where there is no spread."""
    error = standard_error(difference)
    if error is None or not error > _ROUNDING:
        return None
    return float(difference.value / (error * np.sqrt(difference.n_clusters)))


def minimum_detectable_effect(
    standard_error: float, alpha: float = 0.05, power: float = 0.8, two_sided: bool = True
) -> float:
    """The least true difference that a test at ``alpha`` finds with probability ``power``.

    (z(1 - alpha / 2) + z(power)) standard errors, in the metric's units. Source: Bloom, Evaluation Review 19
    (1995).
    """
    return _z_sum(alpha, power, two_sided) * standard_error


def clusters_that_decide(
    standard_error: float,
    n_clusters: int,
    effect: float,
    alpha: float = 0.05,
    power: float = 0.8,
    two_sided: bool = False,
) -> int | None:
    """How many clusters of the same kind detect ``effect``, given the standard error of ``n_clusters``.

    The variance of a mean falls with the number of clusters. None where no number of samples would: where the
    effect is 0, or so small that more than ten million clusters were needed.
    """
    detectable = minimum_detectable_effect(standard_error, alpha, power, two_sided)
    if n_clusters * detectable**2 > _MOST_CLUSTERS * effect**2 or effect == 0:
        return None
    return max(2, int(np.ceil(n_clusters * (detectable / effect) ** 2)))


def _one_sided(difference: Replicates, bound: float, sign: Literal[1, -1]) -> TestResult:
    """Test sign * difference + bound > 0."""
    n, exact = difference.n_clusters, has_exact_tail(difference)
    distance = sign * difference.value + bound
    error = float(np.sqrt(difference.variance)) if exact else standard_error(difference)
    if n < 2 or error is None or np.isnan(distance):
        return TestResult(float("nan"), None, n, False)
    spread = error > _ROUNDING
    t = distance / error if spread else float(np.copysign(np.inf, distance)) if distance else 0.0
    if exact:
        return TestResult(t, tail(difference, -sign * bound, sign), n, False)
    if not spread:
        return TestResult(t, 1.0 if distance <= 0 else None, n, False)
    return TestResult(t, max(2.0**-n, float(scipy.stats.t.sf(t, n - 1))), n, False)


def _z_sum(alpha: float, power: float, two_sided: bool) -> float:
    return float(scipy.stats.norm.isf(alpha / (2 if two_sided else 1)) + scipy.stats.norm.ppf(power))


def _checked(margin: float) -> float:
    if not margin >= 0:
        raise UsageError(f"margin = {margin!r}; allowed: 0 or more, in the metric's units")
    return margin


def _pairs(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Array, Array]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    both = ~(np.isnan(first) | np.isnan(second))
    return first[both], second[both]


def _adjusted(p_values: Sequence[float | None], adjust: Callable[[Array], Array]) -> list[float | None]:
    """Apply ``adjust`` to the ascending p that are not None and put the results back in place."""
    known = [i for i, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[i] for i in known], dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted: list[float | None] = [None] * len(p_values)
    for i, p in zip(order, np.minimum(adjust(values[order]), 1.0), strict=True):
        adjusted[known[i]] = float(p)
    return adjusted


@dataclass(frozen=True)
class _Swapping:
    """What swapping clusters does to a difference.

    clusters: names (c,) of those that differ. moved: (c, k), what a swapped cluster adds to the change;
    ``difference`` maps changes (r, k) to differences (r,).
    """

    clusters: npt.NDArray[np.object_]
    moved: Array
    difference: Callable[[Array], Array]
    observed: float

    @property
    def n_differing(self) -> int:
        return len(self.clusters)

    def extreme(self, change: Array) -> int:
        """How many of the changes (r, k) give a difference as large as the observed one."""
        return int(np.count_nonzero(np.abs(self.difference(change)) >= abs(self.observed) - _ROUNDING))


def _swapping(metric: Metric, a: pd.DataFrame, b: pd.DataFrame) -> _Swapping:
    (a, b), _ = common_rows(metric, (a, b))
    if len(a) == 0:
        return _Swapping(np.empty(0, dtype=object), np.empty((0, 0)), lambda change: change, float("nan"))
    resampling = Resampling(a["group"], n_resamples=1)
    if metric.columns is not None and metric.value is not None:
        moved, difference = _by_sums(metric.columns, metric.value, a, b, resampling)
    elif metric.weighted is not None:
        moved, difference = _by_weights(metric.weighted, a, b, resampling)
    else:
        raise UsageError(f"metric {metric.name!r} has neither columns with value nor weighted")
    differs = (np.abs(moved) > _ROUNDING).any(axis=1)
    observed = float(difference(np.zeros((1, moved.shape[1])))[0])
    return _Swapping(resampling.clusters.to_numpy()[differs], moved[differs], difference, observed)


def _by_sums(
    columns: Callable[[pd.DataFrame], Array],
    value: Callable[[Array], Array],
    a: pd.DataFrame,
    b: pd.DataFrame,
    resampling: Resampling,
) -> tuple[Array, Callable[[Array], Array]]:
    first, second = (resampling.cluster_sums(f["group"].to_numpy(), columns(f)) for f in (a, b))
    total_first, total_second = first.sum(axis=0), second.sum(axis=0)

    def difference(change: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(value(total_first + change) - value(total_second - change))

    return second - first, difference


def _by_weights(
    weighted: Callable[[pd.DataFrame, Array], Array], a: pd.DataFrame, b: pd.DataFrame, resampling: Resampling
) -> tuple[Array, Callable[[Array], Array]]:
    """Each side holds the rows of both models, those of one of the two with weight 0."""
    both = pd.concat([a, b], ignore_index=True)
    positions = resampling.positions(a["group"].to_numpy())
    shared = [name for name in a.columns if name in b.columns]
    same = (a[shared] == b[shared]) | (a[shared].isna() & b[shared].isna())
    differs = np.unique(positions[~same.all(axis=1).to_numpy()])

    def difference(swaps: Array) -> Array:
        rows = swaps[:, positions]
        first, second = np.hstack([1 - rows, rows]), np.hstack([rows, 1 - rows])
        return weighted(both, first) - weighted(both, second)

    moved = np.zeros((len(resampling.clusters),) * 2)
    moved[differs, differs] = 1
    return moved, difference


def _enumerate(one: _Swapping) -> TestResult:
    if np.isnan(one.observed):
        return TestResult(one.observed, None, one.n_differing, False)
    numbers = np.split(np.arange(2**one.n_differing), range(_CHUNK, 2**one.n_differing, _CHUNK))
    swaps = (((part[:, None] >> np.arange(one.n_differing)) & 1).astype(np.float64) for part in numbers)
    extreme = sum(one.extreme(part @ one.moved) for part in swaps)
    return TestResult(one.observed, extreme / 2**one.n_differing, one.n_differing, True)


def _stack(swappings: Sequence[_Swapping], clusters: Sequence[str]) -> tuple[Array, list[int]]:
    """What swapping each of all clusters moves in every cell, side by side, and where cells after the first begin."""
    names, blocks = pd.Index(list(clusters)), []
    for one in swappings:
        blocks.append(np.zeros((len(clusters), one.moved.shape[1])))
        blocks[-1][names.get_indexer(pd.Index(one.clusters))] = one.moved
    ends = np.cumsum([block.shape[1] for block in blocks], dtype=np.int64)
    return np.concatenate(blocks or [np.empty((0, 0))], axis=1), ends[:-1].tolist()


def _random_swaps(n: int, n_permutations: int, seed: int) -> Iterator[Array]:
    rng = stream(seed, "permutation", "clusters", str(n))
    for start in range(0, n_permutations, _CHUNK):
        yield rng.integers(0, 2, (min(_CHUNK, n_permutations - start), n), dtype=np.int8).astype(np.float64)
