"""Robustness statistics on frames of per-sample scores.

A frame has a column ``group`` (the cluster), ``id`` where rows are paired, and what the metric reads::

    shared = Resampling(clean["group"])
    pair = replicate_paired(mean_of("score"), [clean, noisy], shared)
    loss = difference(*pair)
    estimate(loss)                         # the drop with its interval
    significance.cluster_permutation(mean_of("score"), clean, noisy).p
"""

from mafs_bench.stats import ranking, robustness, significance
from mafs_bench.stats.intervals import estimate, interval
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    combine,
    difference,
    independent_difference,
    mean,
    replicate,
    replicate_all,
    replicate_paired,
)
from mafs_bench.stats.simple import mean_of, ratio_of

__all__ = [
    "Replicates",
    "Resampling",
    "combine",
    "difference",
    "estimate",
    "independent_difference",
    "interval",
    "mean",
    "mean_of",
    "ranking",
    "ratio_of",
    "replicate",
    "replicate_all",
    "replicate_paired",
    "robustness",
    "significance",
]
