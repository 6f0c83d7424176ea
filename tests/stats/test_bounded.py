"""Non-inferiority of bounded numbers."""

import numpy as np
import pytest

from mafs_bench.stats.bounded import bounded_non_inferiority, clusters_to_exclude, least_margin
from mafs_bench.stats.resampling import Replicates
from mafs_bench.stats.significance import non_inferiority


def replicates(values, n_resamples=2000):
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, [1 / n] * n, size=n_resamples) @ values / n
    return Replicates(float(values.mean()), lambda: draws, lambda: values, n, 0, np.ones(n, dtype=bool))


@pytest.mark.parametrize(("n", "margin"), [(10, 0.01), (299, 0.01), (59, 0.05), (40, 0.5)])
def test_without_any_change_p_is_the_chance_of_seeing_no_cluster_that_lost(n, margin):
    p = bounded_non_inferiority(replicates(np.zeros(n)), margin, 1.0).p
    assert p == pytest.approx((1 - margin) ** n)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_p_is_that_of_bootstrap_draws_mixed_with_a_cluster_that_lost_everything(k):
    """Against drawing the weight of the lost cluster, Beta(1, n), instead of integrating over it."""
    n, margin = 300, 0.02
    values = np.zeros(n)
    values[:k] = -1.0
    made = replicates(values, 4000)
    weight = np.random.default_rng(1).beta(1, n, size=(4000, 200))
    mixed = (1 - weight) * made.draws[:, None] - weight
    expected = max(np.mean(mixed <= -margin), non_inferiority(made, margin).p)
    assert bounded_non_inferiority(made, margin, 1.0).p == pytest.approx(expected, abs=2e-3)


def test_student_decides_where_every_cluster_varies():
    values = np.random.default_rng(2).normal(0, 0.2, 2000).clip(-1, 1)
    made = replicates(values)
    p = bounded_non_inferiority(made, 0.01, 1.0).p
    assert non_inferiority(made, 0.01).p <= p < 2 * non_inferiority(made, 0.01).p + 0.05


@pytest.mark.parametrize("loss", [1.0, 0.5])
def test_a_number_at_its_worst_does_not_hold(loss):
    assert bounded_non_inferiority(replicates(np.full(50, -loss)), 0.01, 1.0).p == 1.0


def test_how_many_clusters_a_margin_needs_and_what_margin_they_allow():
    assert [clusters_to_exclude(m, 1.0, 0.05) for m in (0.01, 0.05, 1.0, 2.0)] == [299, 59, 2, 2]
    assert clusters_to_exclude(0.01, 10.0, 0.05) == 2995  # CIDEr-D, from 0 to 10
    for n in (5, 25, 298):
        assert clusters_to_exclude(least_margin(n, 1.0, 0.05) * 1.0001, 1.0, 0.05) == n
