"""95 % intervals that hold at few images and near the ends of the range: one rule for each kind of number.

- proportion (R@k, accuracy, pair accuracy, and means of them over cells): Korn and Graubard's interval, the
  exact binomial one at the effective number of rows, Survey Methodology 24 (1998), section 2. Where all rows
  score the same, the correlation of rows of an image is unknown, and each cluster counts as one row.
- won-lost (paired differences of proportions): MOVER from Korn and Graubard's intervals of what clusters won
  and of what they lost. Source: Zou and Donner, Statistics in Medicine 27 (2008); Newcombe, 17 (1998).
- logit (AUROC): Student's t on the logit with the variance over clusters. Sources: Obuchowski, Biometrics 53
  (1997); Pepe, The Statistical Evaluation of Medical Tests (2003), chapter 5.
- two-intervals (differences of independent numbers, and of two AUROC): MOVER from the intervals of both.
- bootstrap-t (CIDEr, mean rank, MMI, RA, area under the curve and all else), from 20 clusters on. Source: Efron
  and Tibshirani, An Introduction to the Bootstrap (1993), chapter 12.5, with the jackknife's influence values.
- percentile (median rank), from 20 clusters on: quantiles of the bootstrap, chapter 13.

No interval is given for one cluster, below 20 where 20 are needed, where all scores are equal under bootstrap-t,
and where resamples are undefined. ``RULE`` says this in a sentence for the legends of tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import betaincinv, expit, logit, ndtr, ndtri, stdtrit

from mafs_bench.errors import UsageError
from mafs_bench.stats.resampling import Array, Replicates, Resampling, Rule, replicate, replicate_all
from mafs_bench.types import Estimate, Metric

RULE = (
    "In brackets: 95 % intervals, clustered by image: Korn-Graubard for recall and accuracy, MOVER for differences "
    "of them, logit for AUROC, bootstrap-t for the rest from 20 images on (below: too few)."
)
LEAST_CLUSTERS = 20
"""Below it a bootstrap does not cover, and gives no interval."""

Bounds = tuple[float, float]
Interval = Callable[[float], Bounds | None]
"""Level -> lower and upper bound."""
Method = Literal["percentile", "bca"]

_LEAST_DEFINED = 0.95
"""The share of resamples that must give a value: below it there is no interval."""
_ROUNDING = 1e-9
_LEAST_P, _BISECTIONS = 1e-15, 22
"""p is found to 1e-5 of itself."""


def estimate(replicates: Replicates, level: float = 0.95, method: Method | None = None) -> Estimate:
    """Value and interval of ``replicates``, by its rule; ``method`` asks for a plain bootstrap interval instead.

    Percentile: quantiles of the draws. BCa: the same with bias and acceleration corrected (Efron, JASA 82,
    1987). Raises ``UsageError``.
    """
    if not 0 < level < 1:
        raise UsageError(f"level = {level!r}; allowed: between 0 and 1, such as 0.95")
    n, n_unscored = replicates.n, replicates.n_unscored
    if np.isnan(replicates.value):
        return Estimate(None, None, None, n, n_unscored)
    bounds = interval_of(replicates)(level) if method is None else _plain(replicates, level, method)
    if bounds is None or not np.isfinite(bounds).all():
        return Estimate(replicates.value, None, None, n, n_unscored)
    low, high = bounds if method else np.clip(bounds, *replicates.bounds)
    return Estimate(replicates.value, float(low), float(high), n, n_unscored)


def interval(
    metric: Metric,
    frame: pd.DataFrame,
    resampling: Resampling,
    level: float = 0.95,
    method: Method | None = None,
) -> Estimate:
    """A metric of a cell with its interval; ``None`` where nothing could be scored."""
    return estimate(replicate(metric, frame, resampling), level, method)


def intervals(
    metrics: Sequence[Metric],
    frame: pd.DataFrame,
    resampling: Resampling,
    level: float = 0.95,
    method: Method | None = None,
) -> dict[str, Estimate]:
    """All metrics of a cell with their intervals, by name."""
    found = replicate_all([(metric, frame) for metric in metrics], resampling)
    return {m.name: estimate(r, level, method) for m, r in zip(metrics, found, strict=True)}


def interval_of(replicates: Replicates) -> Interval:
    """The interval of a number at any level, by its rule; None where there is none."""
    if replicates.n_clusters < 2:
        return _none
    return _RULES[replicates.rule](replicates)


def has_exact_tail(replicates: Replicates) -> bool:
    """Whether the interval is defined at every level, so that a p can be read from it (``tail``)."""
    parts = all(has_exact_tail(part) for part in replicates.parts)
    return replicates.rule in ("proportion", "won-lost", "logit", "two-intervals") and parts


def tail(replicates: Replicates, null: float, sign: Literal[1, -1]) -> float | None:
    """One-sided p of "the number is above ``null``" (below, for sign -1), by inverting its interval.

    It is the least alpha whose interval at level 1 - 2 alpha leaves ``null`` out on that side; None where there
    is no interval.
    """
    found = interval_of(replicates)
    if np.isnan(replicates.value) or found(0.95) is None:
        return None
    p = _excluded(found, null, sign)
    if p is not None:
        return p
    other = _excluded(found, null, -1 if sign == 1 else 1)
    return 0.5 if other is None else 1 - other


def _excluded(found: Interval, null: float, sign: Literal[1, -1]) -> float | None:
    """The least alpha below .5 whose interval leaves ``null`` out on a side."""

    def excludes(alpha: float) -> bool:
        bounds = found(1 - 2 * alpha)
        return bounds is not None and (bounds[0] > null if sign == 1 else bounds[1] < null)

    least, most = _LEAST_P, 0.4999
    if not excludes(most):
        return None
    if excludes(least):
        return least
    for _ in range(_BISECTIONS):
        middle = math.sqrt(least * most)
        least, most = (least, middle) if excludes(middle) else (middle, most)
    return most


def korn_graubard(share: float, variance: float, n_rows: int, n_clusters: int, level: float = 0.95) -> Bounds:
    """Interval of a proportion in [0, 1] with the variance over clusters of its estimate.

    The binomial interval of Clopper and Pearson at n = share (1 - share) / variance rows, corrected for the
    degrees of freedom; at n_clusters rows where the variance is 0. It is Clopper and Pearson's where each
    cluster is one row of 0 or 1. Source: Korn and Graubard, Survey Methodology 24 (1998).
    """
    tail_ = (1 - level) / 2
    share = min(1.0, max(0.0, share))
    rows = float(n_clusters)
    if variance > _ROUNDING**2 and 0 < share < 1:
        freedom = stdtrit(max(1, n_rows - 1), tail_) / stdtrit(n_clusters - 1, tail_)
        rows = share * (1 - share) / variance * float(freedom) ** 2
    hits, misses = share * rows, (1 - share) * rows
    low = float(betaincinv(hits, misses + 1, tail_)) if hits > _ROUNDING else 0.0
    high = float(betaincinv(hits + 1, misses, 1 - tail_)) if misses > _ROUNDING else 1.0
    return low, high


def mover(values: Bounds, bounds: tuple[Bounds, Bounds], correlation: float = 0.0) -> Bounds:
    """Interval of values[0] - values[1] from the intervals of both and the correlation of their estimates.

    Source: Zou and Donner, Statistics in Medicine 27 (2008): the method of variance estimates recovery.
    """
    (a, b), ((low_a, high_a), (low_b, high_b)) = values, bounds

    def reach(first: float, second: float) -> float:
        return math.sqrt(max(0.0, first**2 + second**2 - 2 * correlation * first * second))

    return a - b - reach(a - low_a, high_b - b), a - b + reach(high_a - a, b - low_b)


def _none(level: float) -> None:
    return None


def _proportion(replicates: Replicates) -> Interval:
    share, variance = replicates.value, replicates.variance
    return lambda level: korn_graubard(share, variance, replicates.n, replicates.n_clusters, level)


def _won_lost(replicates: Replicates) -> Interval:
    """What clusters won and lost, as shares of the most that one could win."""
    n, scale = replicates.n_clusters, replicates.scale
    own = (replicates.value + n * replicates.influence) / scale
    sides = np.maximum(own, 0), np.maximum(-own, 0)
    won, lost = (float(side.mean()) for side in sides)
    variances = [float(side.var(ddof=1)) / n for side in sides]
    correlation = _correlation(*sides)

    def at(level: float) -> Bounds:
        first, second = (
            korn_graubard(share, variance, replicates.n, n, level)
            for share, variance in zip((won, lost), variances, strict=True)
        )
        low, high = mover((won, lost), (first, second), correlation)
        moved = replicates.value - scale * (won - lost)
        return scale * low + moved, scale * high + moved

    return at


def _logit(replicates: Replicates) -> Interval:
    value, variance, n = replicates.value, replicates.variance, replicates.n_clusters
    if not 0 < value < 1 or variance < _ROUNDING**2:
        return lambda level: korn_graubard(value, 0.0, n, n, level)
    error = np.sqrt(variance) / (value * (1 - value))

    def at(level: float) -> Bounds:
        reach = float(stdtrit(n - 1, (1 + level) / 2)) * error
        return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))

    return at


def _two_intervals(replicates: Replicates) -> Interval:
    a, b = replicates.parts
    of_a, of_b = interval_of(a), interval_of(b)
    correlation = 0.0 if replicates.resampling is None else _paired_correlation(a, b)

    def at(level: float) -> Bounds | None:
        first, second = of_a(level), of_b(level)
        if first is None or second is None:
            return None
        return mover((a.value, b.value), (first, second), correlation)

    return at


def _paired_correlation(a: Replicates, b: Replicates) -> float:
    """Of two estimates over the same clusters; 0 where they are the same, which shows no spread to go by."""
    both = a.present & b.present
    left_a, left_b = a.leave_one_out()[both], b.leave_one_out()[both]
    return 0.0 if np.allclose(left_a, left_b, rtol=0, atol=_ROUNDING) else _correlation(left_a, left_b)


def _correlation(a: Array, b: Array) -> float:
    spread = float(np.std(a) * np.std(b))
    return 0.0 if spread < _ROUNDING**2 else float(np.mean((a - a.mean()) * (b - b.mean())) / spread)


def _bootstrap_t(replicates: Replicates) -> Interval:
    """t of a draw: its distance from the value by its own error, which influences of the drawn clusters give."""
    draws, resampling = replicates.draws, replicates.resampling
    defined = ~np.isnan(draws)
    error = np.sqrt(replicates.variance)
    few = replicates.n_clusters < LEAST_CLUSTERS or np.count_nonzero(defined) < _LEAST_DEFINED * len(draws)
    if few or resampling is None or not error > _ROUNDING * max(1.0, abs(replicates.value)):
        return _none
    n = replicates.n_clusters
    influence = np.zeros(len(replicates.present))
    influence[replicates.present] = replicates.influence
    first, second = resampling.sums(np.stack([influence, influence**2], axis=1)).T
    errors = np.sqrt(np.maximum(0.0, (second - first**2 / n) * n / (n - 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = ((draws - replicates.value) / errors)[defined]
    t = np.sort(t[~np.isnan(t)])

    def at(level: float) -> Bounds | None:
        upper, lower = np.quantile(t, [(1 + level) / 2, (1 - level) / 2], method="higher")
        return float(replicates.value - upper * error), float(replicates.value - lower * error)

    return at


def _percentile(replicates: Replicates) -> Interval:
    if replicates.n_clusters < LEAST_CLUSTERS:
        return _none
    return lambda level: _plain(replicates, level, "percentile")


_RULES: Mapping[Rule, Callable[[Replicates], Interval]] = {
    "proportion": _proportion,
    "won-lost": _won_lost,
    "logit": _logit,
    "two-intervals": _two_intervals,
    "bootstrap-t": _bootstrap_t,
    "percentile": _percentile,
}


def _plain(replicates: Replicates, level: float, method: Method) -> Bounds | None:
    """Quantiles of the draws; for BCa corrected."""
    if method not in ("percentile", "bca"):
        raise UsageError(f"method = {method!r}; allowed: percentile, bca")
    draws = replicates.draws[~np.isnan(replicates.draws)]
    if replicates.n_clusters < 2 or len(draws) < _LEAST_DEFINED * len(replicates.draws):
        return None
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and np.ptp(draws) > 0:
        tails = _bca_tails(replicates, draws, tails)
    low, high = np.quantile(draws, tails)
    return float(low), float(high)


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
