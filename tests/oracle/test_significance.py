"""Tests and corrections against scipy, statsmodels and enumeration."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower, normal_sample_size_one_tail
from statsmodels.stats.weightstats import ttost_paired

from mafs_bench.errors import UsageError
from mafs_bench.stats import mean_of
from mafs_bench.stats import resampling as rs
from mafs_bench.stats import significance as st
from mafs_bench.types import Metric


def _auroc(frame, weights):
    label, score = frame["label"].to_numpy(), frame["score"].to_numpy()
    return np.array([roc_auc_score(label, score, sample_weight=row) for row in weights])


MEAN = mean_of()
AUROC = Metric("auroc", "any", 0, 1, True, "", weighted=_auroc, interval="bootstrap-t")


def frames(n_clusters, rows, seed, shift=0.3):
    rng = np.random.default_rng(seed)
    n = n_clusters * rows
    groups = np.repeat([f"g{i:03d}" for i in range(n_clusters)], rows)
    base = pd.DataFrame({"id": np.arange(n).astype(str), "group": groups, "label": np.arange(n) % 2})
    a = base.assign(score=rng.normal(size=n) + base["label"])
    return a, base.assign(score=a["score"] - shift + 0.5 * rng.normal(size=n))


def difference(a, b, n_resamples=4000):
    resampling = rs.Resampling(a["group"], n_resamples)
    return rs.combine(np.subtract, *rs.replicate_paired(MEAN, (a, b), resampling))


def test_exact_sign_flip_is_scipys_permutation_test():
    a, b = frames(9, 3, seed=0)
    means = (a["score"] - b["score"]).groupby(a["group"]).mean().to_numpy()
    oracle = scipy.stats.permutation_test(
        (means,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    ours = st.cluster_permutation(MEAN, a, b)
    assert ours.exact
    assert ours.n == 9
    assert ours.statistic == pytest.approx(oracle.statistic)
    assert ours.p == pytest.approx(oracle.pvalue)


def test_permutation_of_a_weighted_metric_is_the_enumeration():
    a, b = frames(5, 4, seed=1)
    observed = _auroc(a, np.ones((1, 20)))[0] - _auroc(b, np.ones((1, 20)))[0]
    hits = 0
    for swaps in product([False, True], repeat=5):
        swapped = np.repeat(swaps, 4)
        first, second = a["score"].where(~swapped, b["score"]), b["score"].where(~swapped, a["score"])
        value = roc_auc_score(a["label"], first) - roc_auc_score(a["label"], second)
        hits += abs(value) >= abs(observed) - 1e-12
    ours = st.cluster_permutation(AUROC, a, b)
    assert ours.statistic == pytest.approx(observed)
    assert ours.p == pytest.approx(hits / 32)


def test_drawn_permutations_agree_with_scipys_and_do_not_depend_on_company():
    a, b = frames(40, 2, seed=2, shift=0.1)
    means = (a["score"] - b["score"]).groupby(a["group"]).mean().to_numpy()
    oracle = scipy.stats.permutation_test(
        (means,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        random_state=np.random.default_rng(1),
    )
    alone = st.cluster_permutation(MEAN, a, b, 20_000)
    assert not alone.exact
    assert alone.p == pytest.approx(oracle.pvalue, abs=0.012)
    together = st.cluster_permutations([(MEAN, a, b), (MEAN, b, a), (MEAN, a, a)], 20_000)
    assert together[0].p == alone.p == together[1].p
    assert together[2].p == 1.0
    assert together[2].n == 0


def test_permutation_leaves_out_what_is_unscored_in_either():
    a, b = frames(8, 2, seed=3)
    a.loc[0, "score"] = b.loc[5, "score"] = np.nan
    kept = [i for i in range(16) if i not in (0, 5)]
    whole, without = (
        st.cluster_permutation(MEAN, a, b),
        st.cluster_permutation(MEAN, a.loc[kept], b.loc[kept]),
    )
    assert whole == without
    nothing = st.cluster_permutation(MEAN, a.assign(score=np.nan), b)
    assert nothing.p is None
    with pytest.raises(UsageError, match="neither columns"):
        st.cluster_permutation(Metric("x", "any", 0, 1, True, "", interval="bootstrap-t"), a, b)


@pytest.mark.parametrize("seed", range(4))
def test_mcnemar_is_statsmodels(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random(60) < 0.7, rng.random(60) < 0.5
    table = pd.crosstab(a, b).reindex(index=[False, True], columns=[False, True], fill_value=0)
    ours = st.mcnemar([*a.astype(float), np.nan], [*b.astype(float), 1.0])
    assert ours.p == pytest.approx(sm_mcnemar(table.to_numpy(), exact=True).pvalue)
    assert ours.statistic == pytest.approx(a.mean() - b.mean())
    assert ours.n == int((a != b).sum())


def test_mcnemar_without_discordant_pairs_or_any():
    assert st.mcnemar([1, 0], [1, 0]).p == 1.0
    assert st.mcnemar([np.nan], [1]).p is None


@pytest.mark.parametrize("n_clusters", [12, 80])
def test_wilcoxon_is_scipys_on_cluster_means(n_clusters):
    a, b = frames(n_clusters, 3, seed=4)
    means = (a["score"] - b["score"]).groupby(a["group"]).mean()
    ours = st.wilcoxon(a["score"], b["score"], clusters=a["group"])
    assert ours.p == pytest.approx(scipy.stats.wilcoxon(means).pvalue)
    assert ours.exact == (n_clusters == 12)
    ranks = scipy.stats.rankdata(means.abs())
    won, lost = ranks[means > 0].sum(), ranks[means < 0].sum()
    assert ours.statistic == pytest.approx((won - lost) / (won + lost))


def test_wilcoxon_of_nothing():
    assert st.wilcoxon([1.0, 2.0], [1.0, 2.0]).p == 1.0
    assert st.wilcoxon([np.nan], [2.0]).p is None


@pytest.mark.parametrize(("ours", "method"), [(st.holm, "holm"), (st.benjamini_hochberg, "fdr_bh")])
def test_corrections_are_statsmodels(ours, method):
    rng = np.random.default_rng(5)
    for n in (1, 2, 30):
        p = (rng.random(n) ** 3).tolist()
        p[-1] = p[0]
        assert ours(p) == pytest.approx(multipletests(p, method=method)[1])
    assert ours([0.01, None, 0.04])[1] is None
    assert ours([0.01, None, 0.04])[::2] == pytest.approx(multipletests([0.01, 0.04], method=method)[1])
    assert ours([]) == []


def test_non_inferiority_both_ways_is_statsmodels_tost_up_to_the_bootstrap():
    a, b = frames(200, 1, seed=6, shift=0.05)
    p, lower, upper = ttost_paired(a["score"].to_numpy(), b["score"].to_numpy(), -0.12, 0.12)
    change = difference(a, b, 20_000)
    sides = [st.non_inferiority(one, 0.12) for one in (change, difference(b, a, 20_000))]
    assert [side.statistic for side in sides] == pytest.approx([lower[0], -upper[0]], rel=0.03)
    assert max(side.p for side in sides) == pytest.approx(p, rel=0.1)
    assert st.t_test(change).p == pytest.approx(scipy.stats.ttest_rel(a["score"], b["score"]).pvalue, rel=0.1)
    assert st.t_test(change, null=change.value).p == pytest.approx(1.0)


def test_margins_that_cannot_be_and_differences_that_are_none():
    a, b = frames(20, 1, seed=7)
    with pytest.raises(UsageError, match="0 or more"):
        st.non_inferiority(difference(a, b), -1)
    same = difference(a, a)
    assert st.non_inferiority(same, 0.01).p is None  # no spread: nothing to test by
    assert st.inferiority(same).p == 1.0
    one = a.head(1)
    assert st.non_inferiority(difference(one, one), 0.01).p is None
    assert st.t_test(difference(one, one)).p is None
    assert st.standard_error(difference(one, one)) is None


def test_size_and_power_are_statsmodels():
    error, n = 0.02, 300
    deviation = error * np.sqrt(n)
    effect = 0.05
    asked = st.clusters_that_decide(error, n, effect, alpha=0.05, power=0.9)
    assert asked == pytest.approx(normal_sample_size_one_tail(effect, 0.9, 0.05, std_null=deviation), abs=1)
    detectable = st.minimum_detectable_effect(error, power=0.8)
    oracle = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8) * deviation
    assert detectable == pytest.approx(oracle, rel=0.01)
    assert st.clusters_that_decide(error, n, 0.0) is None
