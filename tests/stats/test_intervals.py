"""Intervals against other people's, against enumerations and by hand; their coverage at few images."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from mafs_bench.metrics.matching import auroc_influence
from mafs_bench.stats import intervals as iv
from mafs_bench.stats import mean_of, robustness
from mafs_bench.stats import resampling as rs
from mafs_bench.stats import significance as st
from mafs_bench.tasks import TASKS, get_task
from mafs_bench.types import Estimate

R1 = next(m for m in get_task("fused-retrieval").metrics if m.name == "r1")
AUROC = next(m for m in get_task("matching").metrics if m.name == "auroc")
CIDER = next(m for m in get_task("captioning").metrics if m.name == "cider_d")


def hits_frame(hits):
    """Ranks of (n, k) hits: k captions an image."""
    n, k = hits.shape
    groups = np.repeat([f"{i:04d}" for i in range(n)], k)
    ids = [f"{group}#{j % k}" for j, group in enumerate(groups)]
    return pd.DataFrame({"id": ids, "group": groups, "score": np.where(hits.ravel(), 1.0, 2.0)})


def replicates(hits, metric=R1, seed=0):
    frame = hits_frame(hits)
    return rs.replicate(metric, frame, rs.Resampling(frame["group"], 500, seed))


def score_frame(scores):
    n = len(scores)
    return pd.DataFrame(
        {"id": np.arange(n).astype(str), "group": [f"{i:04d}" for i in range(n)], "score": scores}
    )


def drawn(rng, n, p, rows=5):
    """Beta-binomial hits (n, rows): captions of an image share its difficulty."""
    return rng.random((n, rows)) < rng.beta(3 * p, 3 * (1 - p), n)[:, None]


def holds(estimate, truth):
    return estimate.low - 1e-9 <= truth <= estimate.high + 1e-9


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 10), (19, 20), (480, 500)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_korn_graubard_is_clopper_pearson_where_rows_are_independent(hits, n, level):
    share = hits / n
    ours = iv.korn_graubard(share, share * (1 - share) / n, n, n, level)
    assert ours == pytest.approx(proportion_confint(hits, n, 1 - level, method="beta"), abs=1e-12)


def test_korn_graubard_of_clusters_is_that_of_the_effective_sample():
    """By hand as survey::svyciprop(method = "beta") of R does: n.eff times the squared ratio of t quantiles."""
    hits = drawn(np.random.default_rng(0), 30, 0.8)
    means = hits.mean(axis=1)
    p, variance = means.mean(), means.var(ddof=1) / 30
    t = scipy.stats.t.ppf(0.025, [149, 29])
    effective = p * (1 - p) / variance * (t[0] / t[1]) ** 2
    expected = [
        scipy.stats.beta.ppf(0.025, p * effective, (1 - p) * effective + 1),
        scipy.stats.beta.ppf(0.975, p * effective + 1, (1 - p) * effective),
    ]
    found = iv.estimate(replicates(hits))
    assert [found.low, found.high] == pytest.approx(expected)


@pytest.mark.parametrize("p", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_coverage_of_one_row_a_cluster_by_enumeration(n, p):
    """All numbers of hits, each with its binomial probability: no simulation."""
    found = [iv.estimate(replicates((np.arange(n) < k)[:, None])) for k in range(n + 1)]
    weights = scipy.stats.binom.pmf(np.arange(n + 1), n, p)
    assert sum(w for w, e in zip(weights, found, strict=True) if holds(e, p)) >= 0.93


def proportion_coverage(n, p, worlds):
    rng = np.random.default_rng([n, int(100 * p)])
    found = [iv.estimate(replicates(drawn(rng, n, p))) for _ in range(worlds)]
    assert all(e.high > e.low for e in found)
    return np.mean([holds(e, p) for e in found])


def paired_coverage(n, p, loss, worlds):
    """Half of the lost rows in whole images; half of the models' luck is shared."""
    rng = np.random.default_rng([n, int(100 * p), int(100 * loss)])
    kept = 0
    for _ in range(worlds):
        level, luck = rng.beta(3 * p, 3 * (1 - p), n)[:, None], rng.random((n, 5))
        other = np.where(rng.random((n, 5)) < 0.5, luck, rng.random((n, 5)))
        lost = (rng.random((n, 5)) < loss / p / 2) | (rng.random((n, 1)) < loss / p / 2)
        truth = loss - (loss / p / 2) ** 2 * p
        change = rs.difference(replicates(luck < level), replicates((other < level) & ~lost))
        kept += holds(iv.estimate(change), truth)
    return kept / worlds


def gap_coverage(p, gap, worlds):
    rng = np.random.default_rng([int(100 * p), int(100 * gap)])
    pairs = [(replicates(drawn(rng, 5, p)), replicates(drawn(rng, 100, p - gap))) for _ in range(worlds)]
    return np.mean([holds(iv.estimate(rs.independent_difference(a, b)), gap) for a, b in pairs])


@pytest.mark.parametrize("p", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_intervals_of_clustered_proportions_cover(n, p):
    assert proportion_coverage(n, p, 200) >= 0.92  # sampling error of 200 worlds: .016 at .945


@pytest.mark.parametrize(
    ("n", "p", "loss"), [(5, 0.9, 0.02), (10, 0.98, 0.05), (50, 0.98, 0.02), (20, 0.5, 0.0)]
)
def test_intervals_of_paired_differences_cover(n, p, loss):
    assert paired_coverage(n, p, loss, 150) >= 0.9


@pytest.mark.parametrize(("p", "gap"), [(0.9, 0.05), (0.98, 0.0)])
def test_gaps_of_five_against_a_hundred_images_cover(p, gap):
    assert gap_coverage(p, gap, 100) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.5, 0.9, 0.98])
def test_coverage_in_full(p):
    for n in (5, 10, 20, 50):
        assert proportion_coverage(n, p, 800) >= 0.93, n
        for loss in (0.0, 0.02, 0.05):
            assert paired_coverage(n, p, loss, 300) >= 0.9, (n, loss)
    for gap in (0.0, 0.02, 0.05):
        assert gap_coverage(p, gap, 300) >= 0.9, gap


def test_mover_of_wilson_intervals_is_newcombes():
    """statsmodels' "newcomb" is the hybrid score interval: MOVER from two Wilson intervals."""
    (a, n), (b, m) = (56, 70), (48, 80)
    bounds = tuple(proportion_confint(k, size, method="wilson") for k, size in ((a, n), (b, m)))
    expected = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
    assert iv.mover((a / n, b / m), bounds) == pytest.approx(expected, abs=1e-4)


def test_equal_scores_are_not_an_interval_of_no_width():
    """Without a difference in n images, one that shows in a share of them up to 1 - .025^(1/n) may be missed."""
    hits = np.ones((40, 5), dtype=bool)
    found = iv.estimate(rs.difference(replicates(hits), replicates(hits)))
    missed = 1 - 0.025 ** (1 / 40)
    assert (found.low, found.value, found.high) == pytest.approx((-missed, 0.0, missed))
    alone = iv.estimate(replicates(hits))
    assert (alone.low, alone.high) == (pytest.approx(0.025 ** (1 / 40)), 1.0)


def test_p_of_no_difference_inverts_the_interval():
    hits = np.ones((299, 1), dtype=bool)
    same = rs.difference(replicates(hits), replicates(hits))
    assert st.non_inferiority(same, 0.01).p == pytest.approx(0.99**299, rel=1e-3)
    assert st.t_test(same).p == 1.0
    rng = np.random.default_rng(1)
    change = rs.difference(replicates(drawn(rng, 40, 0.8)), replicates(drawn(rng, 40, 0.6)))
    p = st.t_test(change).p
    inside, outside = (iv.estimate(change, level=1 - p * f) for f in (0.99, 1.01))
    assert inside.low < 0 < outside.low


def matching_frame(rng, n, distance=1.5):
    labels = np.tile([1.0, 1.0, 0.0, 0.0], n)
    score = np.round(np.repeat(rng.normal(size=n), 4) * 0.5 + rng.normal(size=4 * n) + distance * labels, 1)
    groups = np.repeat([f"{i:03d}" for i in range(n)], 4)
    return pd.DataFrame(
        {"id": np.arange(4 * n).astype(str), "group": groups, "label": labels, "score": score}
    )


def test_auroc_interval_is_obuchowskis_on_the_logit():
    """From the matrix of all pairs, as the paper defines it; the value is scikit-learn's."""
    frame = matching_frame(np.random.default_rng(2), 25)
    matched = frame["label"].to_numpy() == 1
    x, y = frame["score"].to_numpy()[matched], frame["score"].to_numpy()[~matched]
    won = (x[:, None] > y) + (x[:, None] == y) / 2
    value = won.mean()
    assert value == pytest.approx(roc_auc_score(frame["label"], frame["score"]))
    rows = np.empty(len(frame))
    rows[matched], rows[~matched] = (won.mean(1) - value) / len(x), (won.mean(0) - value) / len(y)
    assert auroc_influence(frame) == pytest.approx(rows)
    clusters = pd.Series(rows).groupby(frame["group"].to_numpy()).sum().to_numpy()
    error = np.sqrt(np.sum(clusters**2) * 25 / 24) / (value * (1 - value))
    logit = np.log(value / (1 - value)) + np.array([-1, 1]) * scipy.stats.t.ppf(0.975, 24) * error
    found = iv.interval(AUROC, frame, rs.Resampling(frame["group"], 100))
    assert [found.low, found.high] == pytest.approx(1 / (1 + np.exp(-logit)))


def test_auroc_without_an_error_is_not_certain():
    frame = matching_frame(np.random.default_rng(3), 10, distance=50)
    found = iv.interval(AUROC, frame, rs.Resampling(frame["group"], 100))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 10))


def test_bootstrap_t_by_hand():
    rng = np.random.default_rng(4)
    frame = score_frame(rng.exponential(size=25))
    scores, resampling = frame["score"].to_numpy(), rs.Resampling(frame["group"], 999)
    t = []
    for counts in resampling.counts:
        drawn_ = np.repeat(scores, counts)
        t.append((drawn_.mean() - scores.mean()) / scipy.stats.sem(drawn_))
    upper, lower = np.quantile(t, [0.975, 0.025], method="higher")
    error = scipy.stats.sem(scores)
    found = iv.interval(CIDER, frame, resampling)
    expected = [scores.mean() - upper * error, scores.mean() - lower * error]
    assert [found.low, found.high] == pytest.approx(expected)


def test_a_bootstrap_of_few_clusters_gives_no_interval():
    for n in (iv.LEAST_CLUSTERS - 1, iv.LEAST_CLUSTERS):
        found = iv.interval(
            CIDER,
            score_frame(np.random.default_rng(5).random(n)),
            rs.Resampling(map("{:04d}".format, range(n)), 200),
        )
        assert found.value is not None
        assert (found.low is None) == (found.high is None) == (n < iv.LEAST_CLUSTERS)


def test_two_images_that_lose_alike_are_no_proof():
    """They gave p < .001 and an effect of -2.5e15 standard deviations."""
    before, after = np.ones((2, 5), dtype=bool), np.tile([True, True, True, True, False], (2, 1))
    change = rs.difference(replicates(after), replicates(before))
    assert change.value == pytest.approx(-0.2)
    assert st.t_test(change).p >= 0.5
    assert st.effect_size(change) is None
    found = iv.estimate(change)
    assert found.low < -0.5 < 0 < found.high
    for values in ([-0.2, -0.2], [-0.2, -0.2 - 1e-12], [-0.2, -0.2001]):
        other = rs.replicate(mean_of(low=-1), score_frame(values), rs.Resampling(["0000", "0001"], 200))
        assert st.t_test(other).p >= 0.5


def test_no_number_of_samples_decides_an_effect_that_is_rounding():
    assert st.clusters_that_decide(0.02, 100, 1e-17) is None
    assert st.clusters_that_decide(0.02, 100, 0.0) is None
    assert st.clusters_that_decide(0.02, 100, 0.01) == 2474


def test_means_and_differences_keep_the_rule_of_their_parts():
    rng = np.random.default_rng(6)
    cells = [replicates(drawn(rng, 30, p)) for p in (0.9, 0.7, 0.5)]
    assert rs.mean(cells).rule == "proportion"
    assert rs.mean(cells).value == pytest.approx(np.mean([cell.value for cell in cells]))
    change = rs.difference(cells[0], cells[1])
    assert (change.rule, change.scale) == ("won-lost", 1.0)
    nested = robustness.super_additivity_of(cells[0], cells[1], cells[2], cells[2])
    assert (nested.rule, nested.scale) == ("won-lost", 2.0)
    assert nested.value == pytest.approx(cells[1].value - cells[0].value)
    assert rs.combine(np.divide, *cells[:2]).rule == "bootstrap-t"


def test_every_metric_says_how_its_interval_is_made():
    rules = {m.name: m.interval for task in TASKS.names() for m in get_task(task).metrics}
    for name, rule in rules.items():
        if name.startswith("accuracy") or name == "pair_accuracy" or name in ("r1", "t2i_r1", "i2t_r10"):
            assert rule == "proportion", name
    assert (rules["auroc"], rules["t2i_medr"], rules["cider_d"]) == ("logit", "percentile", "bootstrap-t")


@pytest.mark.parametrize(
    ("estimate", "chance", "floor"),
    [
        (Estimate(0.5, 0.4, 0.6, 50, 0), 0.02, False),
        (Estimate(0.04, 0.01, 0.12, 50, 0), 0.02, True),
        (Estimate(0.6, 0.45, 0.7, 50, 0), 0.5, True),
        (Estimate(0.0, None, None, 5, 0), 0.0, True),
        (Estimate(0.3, None, None, 5, 0), 0.0, False),
        (Estimate(None, None, None, 0, 5), 0.0, False),
    ],
)
def test_at_floor(estimate, chance, floor):
    assert robustness.at_floor(estimate, chance) is floor


def test_chance_of_recall_is_that_of_a_random_order():
    frame = hits_frame(np.zeros((50, 5), dtype=bool))
    assert robustness.chance_of(R1, frame) == 1 / 50
    assert robustness.chance_of(AUROC, frame) == 0.5
    assert robustness.chance_of(CIDER, frame) == 0.0
