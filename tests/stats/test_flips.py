"""Flips and answer consistency by hand, and the identity that ties them to the drop."""

import numpy as np
import pandas as pd
import pytest

from mafs_bench.errors import UsageError
from mafs_bench.stats.flips import flips, has_right_rows, mean_flips, right
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import Resampling
from mafs_bench.stats.simple import mean_of
from mafs_bench.tasks import get_task

HIT = mean_of(interval="proportion")


def frame_of(scores, answers=None):
    n = len(scores)
    frame = pd.DataFrame(
        {"id": [f"s{i}" for i in range(n)], "group": [f"g{i // 2}" for i in range(n)], "score": scores}
    )
    return frame if answers is None else frame.assign(answer=answers)


def test_flips_by_hand():
    clean, noisy = frame_of([1, 1, 1, 0, 0, 0, 1, 1.0]), frame_of([1, 0, 0, 1, 0, np.nan, 1, 0.0])
    (found,) = flips(HIT, clean, [noisy], Resampling(clean["group"]))
    assert found.destructive.value == pytest.approx(3 / 7)  # of seven rows that both score
    assert found.corrective.value == pytest.approx(1 / 7)
    assert found.consistency is None
    shown = estimate(found.destructive)
    assert (shown.n, 0 < shown.low < 3 / 7 < shown.high < 1) == (7, True)


def test_drop_of_hits_is_destructive_less_corrective():
    rng = np.random.default_rng(5)
    clean, *noisy = (frame_of(rng.integers(0, 2, 60).astype(float)) for _ in range(4))
    for found, frame in zip(flips(HIT, clean, noisy, Resampling(clean["group"])), noisy, strict=True):
        drop = clean["score"].mean() - frame["score"].mean()
        assert found.destructive.value - found.corrective.value == pytest.approx(drop)


def test_half_right_is_wrong_and_soft_accuracy_of_six_tenths_right():
    assert right(HIT, frame_of([0.5, 0.6, 0.3, np.nan])).tolist()[:3] == [0, 1, 0]
    assert np.isnan(right(HIT, frame_of([np.nan]))[0])


def test_consistency_counts_equal_answers_right_or_wrong():
    clean = frame_of([1, 1, 0, 0.0], ["red", "two", "no", "cat"])
    noisy = frame_of([1, 0, 0, 1.0], ["red", "no", "no", "dog"])
    (found,) = flips(HIT, clean, [noisy], Resampling(clean["group"]), lambda frame: list(frame["answer"]))
    assert found.consistency is not None
    assert found.consistency.value == 0.5


def test_mean_over_severities():
    clean = frame_of([1.0] * 10)
    parts = flips(HIT, clean, [frame_of([1.0] * 10), frame_of([0.0] * 10)], Resampling(clean["group"]))
    assert mean_flips(parts).destructive.value == 0.5
    assert mean_flips(parts).corrective.value == 0.0


def test_metrics_that_are_no_shares_have_no_right_rows():
    named = {
        metric.name: metric for task in ("matching", "captioning", "vqa") for metric in get_task(task).metrics
    }
    assert has_right_rows(named["pair_accuracy"])
    assert has_right_rows(named["accuracy"])
    for name in ("auroc", "cider_d"):
        assert not has_right_rows(named[name])
        with pytest.raises(UsageError, match=name):
            right(named[name], frame_of([1.0]))
