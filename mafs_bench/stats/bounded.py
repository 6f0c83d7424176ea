"""Non-inferiority of a bounded number where few clusters, or none, show a loss.

A standard error sees only what happened in the sample. A loss that takes 2 % of the images is absent from most
samples of 20, and Student's t is then certain of what it cannot know. The bound here adds the worst that one more
cluster could do.
"""

from __future__ import annotations

import math

import numpy as np

from mafs_bench.stats.resampling import Replicates
from mafs_bench.stats.significance import TestResult, non_inferiority


def bounded_non_inferiority(difference: Replicates, margin: float, span: float) -> TestResult:
    """One-sided test of "new - old > -margin" for a number that no cluster can move by more than ``span``.

    margin, span: in the metric's units, higher being better. The p is the larger of Student's t and of Gaffke's
    bound: the resampled difference mixed with one cluster that lost everything, whose weight is Beta(1, n). With
    n clusters and no change at all that is (1 - margin / span)^n, the chance of not seeing any of the clusters that
    must have lost. Source: Gaffke, Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable (2005); Phan et al., AISTATS 2021, "Towards practical mean bounds for small samples".
    """
    usual = non_inferiority(difference, margin)
    draws = difference.draws[~np.isnan(difference.draws)]
    if np.isnan(difference.value) or difference.n_clusters < 2 or len(draws) == 0:
        return usual
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.clip((draws + margin) / (draws + span), 0.0, 1.0)
    weight = np.where(draws + margin <= 0, 0.0, weight)
    bound = float(np.mean((1.0 - weight) ** difference.n_clusters))
    return TestResult(usual.statistic, max(usual.p or 0.0, bound), difference.n_clusters, False)


def clusters_to_exclude(margin: float, span: float, alpha: float) -> int:
    """The least number of clusters that can show, at ``alpha``, that no more than ``margin`` is lost: ln(alpha) /
    ln(1 - margin / span), rounded up.
    """
    share = margin / span
    return 2 if share >= 1 else max(2, math.ceil(math.log(alpha) / math.log1p(-share)))


def least_margin(n_clusters: int, span: float, alpha: float) -> float:
    """The least margin that ``n_clusters`` can show at ``alpha``, in the metric's units."""
    return float(span * -math.expm1(math.log(alpha) / n_clusters)) if n_clusters else span
