"""The cluster bootstrap: pairing, order, unscored rows, and what has no interval."""

import numpy as np
import pandas as pd
import pytest

from mafs_bench.errors import DataError, UsageError
from mafs_bench.stats import intervals as iv
from mafs_bench.stats import mean_of
from mafs_bench.stats import resampling as rs
from mafs_bench.types import Metric

MEAN = mean_of(low=-9, high=9)
WEIGHTED = Metric(
    "mean",
    "any",
    -9,
    9,
    True,
    "",
    weighted=lambda f, w: w @ f["score"].to_numpy(float) / w.sum(axis=1),
    interval="bootstrap-t",
)


def frame_of(n_clusters=40, rows=3, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    base = np.repeat(rng.normal(size=n_clusters), rows) + 0.3 * rng.normal(size=n_clusters * rows)
    return pd.DataFrame(
        {
            "id": [f"s{i}" for i in range(n_clusters * rows)],
            "group": np.repeat([f"g{i}" for i in range(n_clusters)], rows),
            "score": base + shift,
        }
    )


def test_counts_are_decided_by_seed_and_names_alone():
    names = [f"g{i}" for i in range(20)]
    one = rs.Resampling(names, 50, seed=3)
    assert (one.counts == rs.Resampling(names[::-1] * 2, 50, seed=3).counts).all()
    assert (one.counts.sum(axis=1) == 20).all()
    assert (one.counts != rs.Resampling(names, 50, seed=4).counts).any()


def test_row_order_does_not_matter():
    frame = frame_of()
    resampling = rs.Resampling(frame["group"], 200)
    shuffled = frame.sample(frac=1, random_state=1)
    one, other = (iv.interval(MEAN, f, resampling) for f in (frame, shuffled))
    assert one.low == pytest.approx(other.low, abs=1e-12)
    assert one.high == pytest.approx(other.high, abs=1e-12)


def test_replicates_equal_those_of_frames_built_by_hand():
    frame = frame_of(12)
    resampling = rs.Resampling(frame["group"], 30)
    made = rs.replicate(MEAN, frame, resampling)
    rows = dict(tuple(frame.groupby("group")))
    for counts, draw in zip(resampling.counts, made.draws, strict=True):
        by_hand = pd.concat(
            [rows[g] for g, k in zip(resampling.clusters, counts, strict=True) for _ in range(k)]
        )
        assert draw == pytest.approx(by_hand["score"].mean())
    left = made.leave_one_out()
    for k, name in enumerate(resampling.clusters):
        assert left[k] == pytest.approx(frame.loc[frame["group"] != name, "score"].mean())


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_weighted_and_summed_metrics_agree(method, monkeypatch):
    monkeypatch.setattr(rs, "_CHUNK_BYTES", 4000)  # many small chunks
    frame = frame_of()
    frame.loc[5, "score"] = np.nan
    resampling = rs.Resampling(frame["group"], 300)
    summed, weighted = (iv.interval(m, frame, resampling, method=method) for m in (MEAN, WEIGHTED))
    assert (summed.n, summed.n_unscored) == (weighted.n, weighted.n_unscored) == (119, 1)
    for name in ("value", "low", "high"):
        assert getattr(summed, name) == pytest.approx(getattr(weighted, name))


def test_unscored_is_counted_and_never_zero():
    frame = frame_of()
    frame.loc[:9, "score"] = np.nan
    made = iv.interval(MEAN, frame, rs.Resampling(frame["group"], 100))
    assert made.value == pytest.approx(frame["score"].mean())
    assert (made.n, made.n_unscored) == (110, 10)
    frame["score"] = np.nan
    nothing = iv.interval(MEAN, frame, rs.Resampling(frame["group"], 100))
    assert (nothing.value, nothing.low, nothing.high, nothing.n, nothing.n_unscored) == (
        None,
        None,
        None,
        0,
        120,
    )


def test_one_cluster_has_a_value_but_no_interval():
    frame = frame_of(1, 5)
    made = iv.interval(MEAN, frame, rs.Resampling(frame["group"], 100))
    assert made.value is not None
    assert made.low is None
    assert made.high is None


def test_equal_scores_give_no_interval_and_not_one_of_no_width():
    frame = frame_of().assign(score=0.3)
    made = iv.interval(MEAN, frame, rs.Resampling(frame["group"], 100))
    assert (made.value, made.low, made.high) == (pytest.approx(0.3), None, None)


def test_paired_difference_is_over_rows_scored_in_both_and_tight():
    clean = frame_of()
    worse = clean.assign(score=clean["score"] - 0.1).sample(frac=1, random_state=2)
    clean.loc[0, "score"] = np.nan
    worse.loc[7, "score"] = np.nan
    resampling = rs.Resampling(clean["group"], 200)
    drop = rs.difference(*rs.replicate_paired(MEAN, [clean, worse], resampling))
    made = iv.estimate(drop, method="percentile")
    assert (made.n, made.n_unscored) == (118, 2)
    assert made.low == pytest.approx(0.1)
    assert made.high == pytest.approx(0.1)


def test_undefined_resamples_take_the_interval_away():
    ratio = Metric(
        "ratio",
        "any",
        0,
        1,
        True,
        "",
        MEAN.columns,
        lambda s: np.where(s[..., 0] > 0, s[..., 0], np.nan),
        interval="bootstrap-t",
    )
    frame = frame_of(10).assign(score=0.0)
    frame.loc[0, "score"] = 1.0  # a third of the resamples lack this cluster
    made = iv.interval(ratio, frame, rs.Resampling(frame["group"], 200), method="percentile")
    assert made.value == 1.0
    assert made.low is None


def test_what_cannot_be_resampled_is_refused():
    frame = frame_of(5)
    resampling = rs.Resampling(["g0", "g1"], 10)
    with pytest.raises(DataError, match="'g2' is not among the 2"):
        iv.interval(MEAN, frame, resampling)
    with pytest.raises(UsageError, match="allowed: percentile, bca"):
        iv.interval(MEAN, frame_of(2), resampling, method="basic")
    with pytest.raises(UsageError, match="level"):
        iv.interval(MEAN, frame_of(2), resampling, level=95)
    with pytest.raises(UsageError, match="at least 1"):
        rs.Resampling([], 10)
    with pytest.raises(DataError, match="two rows have the id"):
        rs.common_rows(MEAN, [pd.concat([frame, frame])])
    with pytest.raises(UsageError, match="neither columns nor weighted"):
        iv.interval(Metric("none", "any", 0, 1, True, "", interval="bootstrap-t"), frame_of(2), resampling)
    with pytest.raises(UsageError, match="no value"):
        iv.interval(
            Metric("none", "any", 0, 1, True, "", MEAN.columns, interval="bootstrap-t"),
            frame_of(2),
            resampling,
        )


@pytest.mark.filterwarnings("error")
def test_a_ratio_over_a_clean_score_of_zero_is_undefined_and_warns_of_nothing():
    clean = frame_of().assign(score=0.0)
    clean.loc[:2, "score"] = 1.0  # one cluster of 40: more than a third of the resamples score 0
    noisy = clean.assign(score=0.5)
    resampling = rs.Resampling(clean["group"], 200)
    pair = rs.replicate_paired(MEAN, [clean, noisy], resampling)
    ratio = rs.combine(lambda a, b: (a - b) / a, *pair)
    zero = pair[0].draws == 0
    assert 50 < zero.sum() < 150
    np.testing.assert_array_equal(np.isnan(ratio.draws), zero)
    for method in ("percentile", "bca"):
        found = iv.estimate(ratio, method=method)
        assert found.value == pytest.approx(1 - 0.5 / (3 / 120))
        assert (found.low, found.high) == (None, None)
    nothing = clean.assign(score=0.0)
    ratio = rs.combine(np.divide, *rs.replicate_paired(MEAN, [noisy, nothing], resampling))
    assert iv.estimate(ratio).value is None
