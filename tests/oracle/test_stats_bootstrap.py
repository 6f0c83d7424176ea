"""Intervals against scipy.stats.bootstrap on the same draws, and their coverage on clustered data."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.stats._resampling import BootstrapResult

from mafs_bench.stats import ratio_of
from mafs_bench.stats import resampling as rs
from mafs_bench.stats.intervals import estimate

RATIO = ratio_of("score", "weight")


def skewed_frame(n_clusters, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, n_clusters)
    groups = np.repeat([f"g{i:04d}" for i in range(n_clusters)], sizes)
    level = np.repeat(rng.exponential(size=n_clusters), sizes)
    score = level + rng.normal(size=len(groups)) ** 2
    return pd.DataFrame(
        {"id": np.arange(len(groups)).astype(str), "group": groups, "score": score, "weight": 1.0}
    )


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("n_clusters", [8, 60])
def test_intervals_equal_scipys_on_the_same_draws(method, n_clusters):
    frame = skewed_frame(n_clusters, seed=n_clusters)
    resampling = rs.Resampling(frame["group"], 999)
    made = rs.replicate(RATIO, frame, resampling)
    sums = frame.groupby("group")[["score", "weight"]].sum().to_numpy()
    draws = BootstrapResult(confidence_interval=None, bootstrap_distribution=made.draws, standard_error=None)
    oracle = scipy.stats.bootstrap(
        (sums[:, 0], sums[:, 1]),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=0,
        method=method,
        bootstrap_result=draws,
        confidence_level=0.9,
    ).confidence_interval
    ours = estimate(made, level=0.9, method=method)
    assert ours.low == pytest.approx(oracle.low, rel=1e-9)
    assert ours.high == pytest.approx(oracle.high, rel=1e-9)


def test_draws_have_the_distribution_of_scipys():
    frame = skewed_frame(30, seed=1)
    made = rs.replicate(RATIO, frame, rs.Resampling(frame["group"], 4000))
    sums = frame.groupby("group")[["score", "weight"]].sum().to_numpy()
    oracle = scipy.stats.bootstrap(
        (sums[:, 0], sums[:, 1]),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=4000,
        random_state=np.random.default_rng(0),
    ).bootstrap_distribution
    assert scipy.stats.ks_2samp(made.draws, oracle).pvalue > 0.001


def test_standard_error_is_that_of_the_enumeration():
    """All 3**3 resamples of three clusters, by hand."""
    frame = skewed_frame(3, seed=4)
    sums = frame.groupby("group")[["score", "weight"]].sum().to_numpy()
    every = [sums[[i, j, k]].sum(axis=0) for i in range(3) for j in range(3) for k in range(3)]
    exact = np.std([a / b for a, b in every])
    made = rs.replicate(RATIO, frame, rs.Resampling(frame["group"], 20000))
    assert made.draws.std() == pytest.approx(exact, rel=0.02)


def coverage(n_worlds, n_clusters=200, rows=5, n_resamples=1000, method="percentile"):
    """How often 95 % intervals hold the true mean 0: of clusters, and of rows taken for independent."""
    rng = np.random.default_rng(7)
    groups = np.repeat([f"g{i:04d}" for i in range(n_clusters)], rows)
    alone = np.array([f"r{i:05d}" for i in range(n_clusters * rows)])
    by_cluster = rs.Resampling(groups, n_resamples)
    by_row = rs.Resampling(alone, n_resamples)
    held = np.zeros(2)
    for start in range(0, n_worlds, 100):
        size = min(100, n_worlds - start)
        scores = np.repeat(rng.normal(size=(size, n_clusters)), rows, axis=1) * 0.8
        scores += 0.6 * rng.normal(size=scores.shape)
        frames = [
            [pd.DataFrame({"id": alone, "group": g, "score": s, "weight": 1.0}) for s in scores]
            for g in (groups, alone)
        ]
        for k, resampling in enumerate((by_cluster, by_row)):
            made = rs.replicate_all([(RATIO, frame) for frame in frames[k]], resampling)
            estimates = [estimate(one, method=method) for one in made]
            held[k] += sum(one.low <= 0 <= one.high for one in estimates)
    return held / n_worlds


def test_cluster_intervals_cover_and_naive_ones_do_not():
    clustered, naive = coverage(n_worlds=400, n_clusters=100, n_resamples=400)
    assert 0.92 < clustered < 0.98  # sampling error of 400 worlds: .011
    assert naive < 0.9
