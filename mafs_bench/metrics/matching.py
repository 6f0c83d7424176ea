"""Matching metrics on frames of pairs.

Columns: ``score`` (higher is a better match), ``label`` (1 matched, 0 mismatched), ``confidence`` (probability
of a match, NaN where the model gives none), ``margin`` (score of the image's matched pair minus that of its
mismatched pair, on matched rows only).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mafs_bench.metrics.calibration import aurc, ece
from mafs_bench.metrics.columns import Array, columns_of, ratio, run_starts
from mafs_bench.types import Metric


def auroc(frame: pd.DataFrame, weights: Array) -> Array:
    """Weighted area under the ROC curve, weights (r, n) -> (r,): P(matched > mismatched) + P(equal) / 2.

    NaN if a resample contains only one of the two classes. Scores are sorted once; each resample then costs one
    running sum of its mismatched weights.
    """
    from mafs_bench.metrics.running_sums import rank_sums  # imports numba, which is slow to load

    score, matched = _column(frame, "score"), _column(frame, "label") == 1
    order = np.argsort(score, kind="stable")
    out = np.empty(len(weights))
    rank_sums(weights, order, run_starts(score[order]), matched, out)
    return out


def auroc_influence(frame: pd.DataFrame) -> Array:
    """The influence of each row on the AUROC, float64 (n,): DeLong's components, centred per class.

    Source: DeLong et al., Biometrics 44 (1988); their sums over clusters: Obuchowski, Biometrics 53 (1997).
    """
    score, matched = _column(frame, "score"), _column(frame, "label") == 1
    found = np.zeros(len(frame))
    for own, sign in ((matched, 1), (~matched, -1)):
        others = np.sort(sign * score[~own])
        places = [np.searchsorted(others, sign * score[own], side) for side in ("left", "right")]
        won = np.mean(places, axis=0) / max(1, len(others))
        found[own] = (won - won.mean()) / max(1, len(won)) if len(won) else 0.0
    return found


def _half(frame: pd.DataFrame) -> float:
    return 0.5


def _pair_accuracy_columns(frame: pd.DataFrame) -> Array:
    """(won, 1) for matched rows, .5 for a tie; zeros for mismatched rows, which are counted with their match."""
    margin = columns_of("margin")(frame)[:, 0]
    won = np.where(np.isnan(margin), np.nan, (margin > 0) + (margin == 0) / 2)
    matched = _column(frame, "label") == 1
    scored = np.where(np.isnan(won), np.nan, 1.0)
    return np.where(matched[:, None], np.stack([won, scored], axis=1), 0.0)


def _column(frame: pd.DataFrame, name: str) -> Array:
    return frame[name].to_numpy(dtype=np.float64)


def _probability(frame: pd.DataFrame) -> Array:
    return _column(frame, "confidence")


def _label(frame: pd.DataFrame) -> Array:
    return np.where(np.isnan(_column(frame, "score")), np.nan, _column(frame, "label"))


def _certainty(frame: pd.DataFrame) -> Array:
    """Probability of the more likely of the two answers."""
    probability = _probability(frame)
    return np.maximum(probability, 1 - probability)


def _wrong(frame: pd.DataFrame) -> Array:
    return np.asarray((_probability(frame) >= 0.5) != (_label(frame) == 1), dtype=np.float64)


MATCHING_METRICS: tuple[Metric, ...] = (
    Metric(
        "auroc",
        "matching",
        0.0,
        1.0,
        True,
        "Hanley and McNeil, Radiology 143 (1982)",
        weighted=auroc,
        influence=auroc_influence,
        chance=_half,
        interval="logit",
    ),
    Metric(
        "pair_accuracy",
        "matching",
        0.0,
        1.0,
        True,
        "an image's own caption scored above another's, ties count half",
        _pair_accuracy_columns,
        ratio,
        chance=_half,
        interval="proportion",
    ),
    ece("matching", _probability, _label),
    aurc("matching", _certainty, _wrong),
)
