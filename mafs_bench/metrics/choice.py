"""Multiple-choice accuracy, once and in all rotations of the options, with the accuracy of guessing.

Source: MMBench (Liu et al., ECCV 2024) for circular evaluation. Columns: ``score`` (1 right, 0 wrong; with circular
evaluation 1 if every rotation is right), ``once`` (the first rotation), ``confidence``, ``n_options``.
"""

from __future__ import annotations

import pandas as pd

from mafs_bench.metrics.calibration import aurc, ece
from mafs_bench.metrics.columns import Array, columns_of, mean_of, ratio
from mafs_bench.types import Metric

_SOURCE = "Liu et al., arXiv 2307.06281"


def _guessing(frame: pd.DataFrame) -> float:
    """The expected share of right answers if one option is drawn."""
    return float((1 / frame["n_options"]).mean())


def _guessing_every_rotation(frame: pd.DataFrame) -> float:
    """The same if one is drawn in every rotation."""
    return float((frame["n_options"] ** -frame["n_options"].astype(float)).mean())


def _confidence(frame: pd.DataFrame) -> Array:
    return columns_of("confidence")(frame)[:, 0]


def _right(frame: pd.DataFrame) -> Array:
    return columns_of("once" if "once" in frame.columns else "score")(frame)[:, 0]


def _loss(frame: pd.DataFrame) -> Array:
    return 1 - _right(frame)


def _accuracy(task: str, column: str) -> Metric:
    return Metric(
        "accuracy",
        task,
        0.0,
        1.0,
        True,
        _SOURCE,
        mean_of(column),
        ratio,
        chance=_guessing,
        interval="proportion",
    )


CHOICE_METRICS: tuple[Metric, ...] = (
    _accuracy("multiple-choice", "score"),
    ece("multiple-choice", _confidence, _right),
    aurc("multiple-choice", _confidence, _loss),
)

_CIRCULAR = "multiple-choice-circular"
CIRCULAR_METRICS: tuple[Metric, ...] = (
    Metric(
        "circular_accuracy",
        _CIRCULAR,
        0.0,
        1.0,
        True,
        _SOURCE,
        mean_of("score"),
        ratio,
        chance=_guessing_every_rotation,
        interval="proportion",
    ),
    _accuracy(_CIRCULAR, "once"),
    ece(_CIRCULAR, _confidence, _right),
    aurc(_CIRCULAR, _confidence, _loss),
)
