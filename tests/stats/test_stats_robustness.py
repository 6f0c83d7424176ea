"""Robustness measures by hand and against other people's regressions."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from mafs_bench.errors import UsageError
from mafs_bench.stats import intervals, mean_of, ranking, resampling, robustness
from mafs_bench.stats import robustness as rb
from mafs_bench.stats.resampling import Replicates
from mafs_bench.types import Estimate

MEAN = mean_of()


def frame_of(scores):
    n = len(scores)
    return pd.DataFrame(
        {"id": np.arange(n).astype(str), "group": [f"g{i}" for i in range(n)], "score": scores}
    )


def test_every_definition_has_its_function():
    functions = {name for name in vars(rb) if callable(getattr(rb, name))}
    assert set(rb.DEFINITIONS) <= functions
    for definition in [*rb.DEFINITIONS.values(), *ranking.DEFINITIONS.values()]:
        assert all([definition.header, definition.formula, definition.range, definition.source])


def test_measures_by_hand():
    assert rb.drop(0.8, 0.5) == pytest.approx(0.3)
    assert rb.mmi(0.8, [0.6, 0.4]) == pytest.approx(0.375)
    assert rb.relative_accuracy(0.8, [0.6, 0.4]) == pytest.approx(0.625)
    assert rb.corruption_error([0.6, 0.4], [0.5, 0.3]) == pytest.approx(1.0 / 1.2)
    assert rb.corruption_error([60, 40], [50, 30], best=100) == pytest.approx(100 / 120)
    assert rb.relative_corruption_error([0.6, 0.4], 0.8, [0.5, 0.3], 0.9) == pytest.approx(0.6 / 1.0)
    assert rb.mean_corruption_error([0.5, 1.0]) == 0.75
    assert rb.worst_case([0.5, 0.2, 0.4]) == 0.2
    assert rb.relative_robustness(0.5, 0.4) == pytest.approx(0.1)
    assert rb.super_additivity(0.9, 0.8, 0.7, 0.4) == pytest.approx(0.2)
    assert rb.domain_gap(0.9, 0.7) == pytest.approx(0.2)
    assert rb.difference_in_differences(0.9, 0.8, 0.7, 0.4) == pytest.approx(0.2)


def test_area_is_the_mean_height():
    assert rb.severity_auc([0.7] * 6) == pytest.approx(0.7)
    assert rb.severity_auc([1.0, 0.0], severities=(0, 5)) == pytest.approx(0.5)
    assert rb.severity_auc([1.0, 0.5, 0.0], severities=(0, 1, 5)) == pytest.approx((0.75 + 1.0) / 5)
    assert rb.severity_auc(np.ones((6, 3))).shape == (3,)
    with pytest.raises(UsageError, match="two or more, rising"):
        rb.severity_auc([0.5, 0.4], severities=(5, 0))


def test_missing_cells_stay_missing():
    for value in (
        rb.mmi(0.8, [0.6, np.nan]),
        rb.worst_case([0.6, np.nan]),
        rb.severity_auc([0.8, np.nan], (0, 1)),
        rb.mean_corruption_error([1.0, np.nan]),
        rb.drop(np.nan, 0.5),
        rb.mmi(0.0, [0.0, 0.1]),
        rb.relative_corruption_error([0.5], 0.6, [0.7], 0.7),
    ):
        assert np.isnan(value)


def test_effective_robustness_is_statsmodels_regression():
    rng = np.random.default_rng(0)
    clean = rng.uniform(0.3, 0.9, 8)
    corrupted = expit(0.8 * logit(clean) - 0.5 + 0.1 * rng.normal(size=8))
    line = rb.fit_accuracy_line(clean, corrupted)
    oracle = sm.OLS(logit(corrupted), sm.add_constant(logit(clean))).fit()
    assert [line.intercept, line.slope] == pytest.approx(oracle.params)
    expected = corrupted - expit(oracle.fittedvalues)
    assert rb.effective_robustness(line, clean, corrupted) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("clean", "corrupted", "message"),
    [
        ([0.5] * 4, [0.4] * 4, "5 or more"),
        ([0.5, 0.6, 0.7, 0.8, 1.0], [0.4] * 5, "strictly between"),
        ([0.5] * 5, [0.4] * 5, "differ"),
    ],
)
def test_a_line_that_cannot_be_fitted_is_refused(clean, corrupted, message):
    with pytest.raises(UsageError, match=message):
        rb.fit_accuracy_line(clean, corrupted)


def test_paired_mmi_with_and_without_rows_that_do_not_apply():
    rng = np.random.default_rng(1)
    clean = frame_of(rng.random(50) + 1)
    cells = [clean.assign(score=clean["score"] * share) for share in (0.9, 0.7)]
    sampled = resampling.Resampling(clean["group"], 100)

    def mmi(cells):
        pairs = [tuple(resampling.replicate_paired(MEAN, (clean, cell), sampled)) for cell in cells]
        return robustness.paired_mmi(pairs)

    whole = resampling.replicate_all([(MEAN, f) for f in (clean, *cells)], sampled)
    plain = resampling.combine(lambda c, *s: rb.mmi(c, s), *whole)
    assert mmi(cells).value == pytest.approx(plain.value) == pytest.approx(0.2)
    assert mmi(cells).draws == pytest.approx(plain.draws)
    cells[1].loc[:30, "score"] = np.nan
    assert mmi(cells).value == pytest.approx(0.2)  # the loss is held against the same rows
    assert mmi(cells).n == 19


def replicates(value, draws):
    spread = np.std(draws) * np.linspace(-1, 1, 100) * np.sqrt(3) / 10
    everywhere = np.ones(100, bool)
    return Replicates(value, lambda: np.asarray(draws, float), lambda: value - spread, 100, 0, everywhere)


def test_ranks_that_the_data_support():
    rng = np.random.default_rng(2)
    noise = rng.normal(scale=0.01, size=1000)
    own = {name: rng.normal(scale=0.01, size=1000) for name in "abcd"}
    levels = {"a": 0.9, "b": 0.895, "c": 0.5, "d": 0.5}
    models = {name: replicates(level, level + noise + own[name]) for name, level in levels.items()}
    models["e"] = replicates(np.nan, np.full(1000, np.nan))
    rows = {row.model: row for row in ranking.ranking(models)}
    assert list(rows) == ["a", "b", "c", "d", "e"]
    assert [rows[name].group for name in "abcd"] == [1, 1, 2, 2]
    assert [rows[name].rank for name in "abcd"] == [1, 1, 3, 3]
    assert [(rows[name].low, rows[name].high) for name in "abcd"] == [(1, 2), (1, 2), (3, 4), (3, 4)]
    assert rows["e"] == ranking.Ranked("e", None, None, None, None, None)


def test_chains_of_ties_are_one_group_but_ranks_stay_apart():
    """a ~ b ~ c, yet a is better than c: no cut is supported, and c has one better model."""
    rng = np.random.default_rng(3)
    models = {
        name: replicates(level, level + rng.normal(scale=0.01, size=2000))
        for name, level in {"a": 0.57, "b": 0.535, "c": 0.5}.items()
    }
    rows = {row.model: row for row in ranking.ranking(models)}
    assert {row.group for row in rows.values()} == {1}
    assert [rows[name].rank for name in "abc"] == [1, 1, 2]


def test_shared_resampling_separates_what_marginal_intervals_do_not():
    rng = np.random.default_rng(4)
    noise = rng.normal(scale=0.05, size=1000)
    models = {
        name: replicates(level, level + noise + rng.normal(scale=0.001, size=1000))
        for name, level in {"a": 0.51, "b": 0.5}.items()
    }
    assert [row.group for row in ranking.ranking(models)] == [1, 2]
    assert ranking.rank_intervals(models) == {"a": (1, 1), "b": (2, 2)}
    assert ranking.rank_intervals({}) == {}


def test_independent_parts_are_resampled_apart():
    rng = np.random.default_rng(5)
    source, target = frame_of(rng.normal(size=80)), frame_of(rng.normal(size=50) * 2)
    parts = [
        resampling.replicate(MEAN, frame, resampling.Resampling(frame["group"], 4000, seed=seed))
        for seed, frame in enumerate((source, target))
    ]
    gap = resampling.independent_difference(*parts)
    expected = np.sqrt(source["score"].var(ddof=0) / 80 + target["score"].var(ddof=0) / 50)
    assert gap.draws.std() == pytest.approx(expected, rel=0.05)
    assert len(gap.leave_one_out()) == 130
    percentile, bca = (intervals.estimate(gap, method=m) for m in ("percentile", "bca"))
    assert bca.low == pytest.approx(percentile.low, abs=0.1)


def test_a_rank_lies_in_its_interval():
    """Tests over all pairs separate less than one bootstrap rank does: the better place must not be left out."""
    rng = np.random.default_rng(3)
    models = {f"m{i}": replicates(0.02 * i, 0.02 * i + rng.normal(scale=0.006, size=2000)) for i in range(8)}
    rows = ranking.ranking(models)
    bounds = ranking.rank_intervals(models)
    assert any(row.rank < bounds[row.model][0] for row in rows)
    assert all(row.low <= row.rank <= row.high for row in rows)


def test_slope_is_that_of_a_regression():
    severities, scores = [0, 1, 3, 5], np.array([0.9, 0.85, 0.5, 0.2])
    fitted = sm.OLS(scores, sm.add_constant(np.array(severities, dtype=float))).fit().params[1]
    assert rb.slope(scores, severities) == pytest.approx(fitted)
    both = rb.slope(np.stack([scores, scores[::-1]], axis=1), severities)
    assert both.shape == (2,)
    assert both[0] == pytest.approx(fitted)
    with pytest.raises(UsageError, match="two or more"):
        rb.slope([0.5], [0])


def test_first_drop_needs_an_interval_above_zero():
    drops = {
        1: Estimate(0.1, -0.01, 0.2, 9, 0),
        2: Estimate(0.1, None, None, 9, 0),
        3: Estimate(-0.3, -0.4, -0.2, 9, 0),
        4: Estimate(0.2, 0.05, 0.3, 9, 0),
        5: Estimate(0.3, 0.15, 0.4, 9, 0),
    }
    assert rb.first_drop(drops) == 4
    assert rb.first_drop({s: drops[s] for s in (1, 2, 3)}) is None


def test_balanced_mean_counts_a_family_once():
    means, families = [0.2, 0.4, 0.6, 1.0], ["noise", "noise", "noise", "flip"]
    assert rb.balanced_mean(means, families) == pytest.approx((0.4 + 1.0) / 2)
    assert np.mean(means) == pytest.approx(0.55)
    assert rb.balanced_mean([0.2, 0.6], ["a", "a"]) == pytest.approx(0.4)
    with pytest.raises(UsageError, match="one each"):
        rb.balanced_mean([0.2], ["a", "b"])


def test_balanced_mean_of_replicates_keeps_the_rule_of_proportions():
    hits = mean_of(interval="proportion")
    frames = [frame_of(np.r_[np.ones(k), np.zeros(40 - k)]) for k in (8, 16, 40)]
    shared = resampling.Resampling(frames[0]["group"], 100)
    parts = resampling.replicate_all([(hits, frame) for frame in frames], shared)
    made = rb.balanced_mean_of(parts, ["noise", "noise", "flip"])
    assert made.value == pytest.approx(rb.balanced_mean([0.2, 0.4, 1.0], ["noise", "noise", "flip"]))
    assert made.rule == "proportion"
    low, high = intervals.estimate(made).low, intervals.estimate(made).high
    assert low is not None
    assert high is not None
    assert low < made.value < high


def test_worst_corruption_and_grading():
    assert rb.worst_corruption({"fog": 0.4, "snow": 0.3, "n/a": np.nan}) == "snow"
    assert rb.worst_corruption({"n/a": np.nan}) is None
    assert rb.grades([0.9, 0.8, 0.8, 0.5])
    assert not rb.grades([0.9, 0.8, 0.81, 0.5])
    assert rb.grades([0.9, 0.8, 0.81, 0.5], tolerance=0.011)
