"""AUROC, calibration and risk-coverage against scikit-learn and against plain enumeration."""

import numpy as np
import pandas as pd
import pytest

from mafs_bench.metrics.calibration import N_BINS, aurc, ece
from mafs_bench.metrics.matching import auroc

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
calibration = pytest.importorskip("sklearn.calibration")


def frame_of(seed: int, n: int = 80, decimals: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.5).astype(float)
    score = (rng.normal(size=n) + label).round(decimals)
    return pd.DataFrame({"score": score, "label": label, "confidence": rng.random(n)})


@pytest.mark.parametrize("seed", range(10))
def test_auroc_with_ties_and_weights(seed: int) -> None:
    frame = frame_of(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (6, len(frame))).astype(float)
    expected = [
        sklearn_metrics.roc_auc_score(frame["label"], frame["score"], sample_weight=row) for row in weights
    ]
    np.testing.assert_allclose(auroc(frame, weights), expected, atol=1e-12)


def test_auroc_of_one_class_is_undefined() -> None:
    frame = frame_of(0)
    assert np.isnan(auroc(frame, (frame["label"] == 1).to_numpy()[None].astype(float)))[0]


@pytest.mark.parametrize("seed", range(5))
def test_ece_is_that_of_scikit_learns_bins(seed: int) -> None:
    frame = frame_of(seed, 500)
    confidence, label = frame["confidence"].to_numpy(), frame["label"].to_numpy()
    fraction, stated = calibration.calibration_curve(label, confidence, n_bins=N_BINS)
    count = np.histogram(confidence, N_BINS, (0, 1))[0]
    metric = ece("vqa", lambda frame: frame["confidence"].to_numpy(), lambda frame: frame["label"].to_numpy())
    expected = (count[count > 0] * np.abs(stated - fraction)).sum() / len(frame)
    assert metric.value(metric.columns(frame).sum(0)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_risk_coverage_by_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, loss = rng.random(40).round(1), rng.random(40)
    risks = [loss[confidence >= threshold].mean() for threshold in confidence]
    frame = pd.DataFrame({"confidence": confidence, "loss": loss})
    metric = aurc("vqa", lambda f: f["confidence"].to_numpy(), lambda f: f["loss"].to_numpy())
    assert metric.weighted(frame, np.ones((1, 40)))[0] == pytest.approx(np.mean(risks), abs=1e-12)
