"""CPU time and memory of the cluster bootstrap, and the coverage of its intervals at full size.

Run with ``pytest tests/benchmarks/test_stats_speed.py -s``.
"""

import importlib.util
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from mafs_bench.stats import mean_of
from mafs_bench.stats import resampling as rs
from mafs_bench.stats.intervals import estimate

N_CELLS, N_CLUSTERS, N_RESAMPLES, ROWS = 100, 5000, 10_000, 5


MEAN = mean_of()


def cells():
    rng = np.random.default_rng(0)
    groups = np.repeat([f"g{i:04d}" for i in range(N_CLUSTERS)], ROWS)
    frame = pd.DataFrame({"id": np.arange(len(groups)).astype(str), "group": groups})
    return [frame.assign(score=(rng.random(len(groups)) < 0.6) * 1.0) for _ in range(N_CELLS)]


def test_hundred_cells_and_scipy():
    frames = cells()
    start = time.process_time()
    resampling = rs.Resampling(frames[0]["group"], N_RESAMPLES)
    made = [estimate(one) for one in rs.replicate_all([(MEAN, frame) for frame in frames], resampling)]
    ours = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    sums = frames[0].assign(one=1.0).groupby("group")[["score", "one"]].sum().to_numpy()
    start = time.process_time()
    oracle = scipy.stats.bootstrap(
        (sums[:, 0], sums[:, 1]),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=N_RESAMPLES,
        method="percentile",
        batch=500,
    ).confidence_interval
    scipys = time.process_time() - start
    print(f"\n{N_CELLS} cells: {ours:.1f} s, peak {peak:.2f} GB; scipy, one cell: {scipys:.2f} s")
    print(f"a cell: {ours / N_CELLS * 1e3:.0f} ms, {scipys / (ours / N_CELLS):.0f} times faster than scipy")
    assert made[0].low == pytest.approx(oracle.low, abs=5e-4)
    assert ours < 20
    assert peak < 2
    assert scipys / (ours / N_CELLS) > 20


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_coverage_of_95_percent_intervals(method):
    path = Path(__file__).parents[1] / "oracle" / "test_stats_bootstrap.py"
    spec = importlib.util.spec_from_file_location("coverage_simulation", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clustered, naive = module.coverage(n_worlds=5000, n_clusters=200, n_resamples=2000, method=method)
    print(f"\ncoverage, {method}: clusters {clustered:.4f}, rows taken for independent {naive:.4f}")
    assert 0.94 <= clustered <= 0.96
    assert naive < 0.9
