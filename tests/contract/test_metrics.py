"""Every metric of every task: declared range and direction, unscored rows, resampling."""

import json

import numpy as np
import pandas as pd
import pytest

from mafs_bench.metrics.caption_scores import ORDERS
from mafs_bench.metrics.java_metrics import METEOR_COLUMNS
from mafs_bench.tasks import TASKS, get_task
from mafs_bench.types import Metric

N = 60
CASES = [(task, metric) for task in TASKS.names() for metric in get_task(task).metrics]
IDS = [f"{task}-{metric.name}" for task, metric in CASES]


def ranks(rng: np.random.Generator) -> dict[str, object]:
    return {
        "score": rng.integers(1, 50, N).astype(float),
        "direction": rng.choice(["t2i", "i2t"], N),
        "map_at_r": rng.random(N),
        "r_precision": rng.random(N),
    }


def answers(rng: np.random.Generator) -> dict[str, object]:
    return {
        "score": rng.choice([0, 0.3, 0.6, 0.9, 1], N),
        "confidence": rng.choice([0, 1, *rng.random(8)], N),
        "answer": ["x"] * N,
        "answer_type": rng.choice(["yes/no", "number", "other"], N),
    }


def pairs(rng: np.random.Generator) -> dict[str, object]:
    label = rng.permutation(np.arange(N) % 2).astype(float)
    return {
        "score": rng.normal(size=N).round(1),
        "label": label,
        "confidence": rng.random(N),
        "margin": np.where(label == 1, rng.normal(size=N).round(1), np.nan),
    }


def choices(rng: np.random.Generator) -> dict[str, object]:
    return {
        "score": rng.choice([0.0, 1.0], N),
        "confidence": rng.choice([0, 1, *rng.random(8)], N),
        "chosen": rng.integers(0, 4, N).astype(float),
        "category": rng.choice(["colour", "count"], N),
        "n_options": rng.integers(2, 6, N),
    }


def rotated_choices(rng: np.random.Generator) -> dict[str, object]:
    """Right in every rotation only where the first one is right."""
    once = choices(rng)
    return {**once, "once": once["score"], "score": once["score"] * rng.choice([0.0, 1.0], N)}


def captions(rng: np.random.Generator) -> dict[str, object]:
    length = rng.integers(0, 12, N)
    guesses = {f"bleu_guess_{n}": np.maximum(0, length - n + 1).astype(float) for n in ORDERS}
    matches = {f"bleu_match_{n}": rng.binomial(guesses[f"bleu_guess_{n}"].astype(int), 0.5) for n in ORDERS}
    return {
        "score": 10 * rng.random(N),
        "rouge_l": rng.random(N),
        **matches,
        **guesses,
        "length": length.astype(float),
        "reference_length": rng.integers(1, 12, N).astype(float),
        "spice": rng.random(N),
        "clip_score": 2.5 * rng.random(N),
        "ref_clip_score": rng.random(N),
        **meteor_statistics(rng),
    }


def meteor_statistics(rng: np.random.Generator) -> dict[str, object]:
    """Captions of random words: function words, and matches of one kind each, in at most as many chunks."""
    function, content = rng.integers(0, 5, (2, 2, N))
    found = {name: np.zeros(N) for name in METEOR_COLUMNS}
    for side in range(2):
        found[f"meteor_{side}"] = (function[side] + content[side]).astype(float)
        found[f"meteor_{2 + side}"] = function[side].astype(float)
    kind = rng.integers(0, 4, N)
    for side in range(2):
        for k in range(4):
            found[f"meteor_{4 + 4 * k + side}"] = np.where(kind == k, content.min(axis=0), 0.0)
            found[f"meteor_{6 + 4 * k + side}"] = np.where(kind == k, function.min(axis=0), 0.0)
        found[f"meteor_{21 + side}"] = (content.min(axis=0) + function.min(axis=0)).astype(float)
    found["meteor_20"] = np.minimum(found["meteor_21"], rng.integers(0, 3, N))
    return found


FRAMES = {
    "retrieval": ranks,
    "fused-retrieval": ranks,
    "vqa": answers,
    "matching": pairs,
    "captioning": captions,
    "context-captioning": captions,
    "multiple-choice": choices,
    "multiple-choice-circular": rotated_choices,
}


def frame_of(task: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"id": np.arange(N), "group": np.arange(N) // 2, **FRAMES[task](rng)})


def value_of(metric: Metric, frame: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    if metric.weighted is not None:
        return metric.weighted(frame, weights)
    return metric.value(weights @ metric.columns(frame))


def test_every_task_has_a_frame_here() -> None:
    assert set(FRAMES) == set(TASKS.names())


@pytest.mark.parametrize(("task", "metric"), CASES, ids=IDS)
def test_declares_itself(task: str, metric: Metric) -> None:
    assert metric.task == task
    assert metric.low < metric.high
    assert isinstance(metric.higher_is_better, bool)
    assert len(metric.source) > 10
    assert (metric.columns is None) == (metric.value is None)
    assert (metric.columns is None) != (metric.weighted is None)
    json.dumps([metric.name, metric.low, metric.high])


@pytest.mark.parametrize(("task", "metric"), CASES, ids=IDS)
@pytest.mark.parametrize("seed", range(5))
def test_stays_in_its_range_under_resampling(task: str, metric: Metric, seed: int) -> None:
    frame = frame_of(task, seed)
    rng = np.random.default_rng(seed)
    weights = np.stack([np.ones(N), *rng.multinomial(N, np.full(N, 1 / N), size=30)]).astype(float)
    values = value_of(metric, frame, weights)
    assert values.shape == (31,)
    assert np.isfinite(values[0])
    scored = values[np.isfinite(values)]
    assert ((scored >= metric.low) & (scored <= metric.high)).all()


@pytest.mark.parametrize(("task", "metric"), CASES, ids=IDS)
def test_weights_are_repeats(task: str, metric: Metric) -> None:
    frame = frame_of(task, 7)
    counts = np.random.default_rng(7).integers(0, 3, N)
    repeated = frame.loc[np.repeat(frame.index, counts)]
    weighted = value_of(metric, frame, counts[None].astype(float))
    again = value_of(metric, repeated, np.ones((1, len(repeated))))
    np.testing.assert_allclose(weighted, again, atol=1e-12)


@pytest.mark.parametrize(("task", "metric"), CASES, ids=IDS)
def test_unscored_rows_are_no_zeros(task: str, metric: Metric) -> None:
    frame = frame_of(task, 3)
    lost = frame.index % 4 == 0
    fixed = ("id", "group", "label", "direction", "answer", "answer_type", "category", "n_options")
    numbers = [name for name in frame.columns if name not in fixed]
    holed = frame.astype(dict.fromkeys(numbers, float))
    holed.loc[lost, numbers] = np.nan
    if metric.columns is None:
        pytest.skip("whoever resamples hands a weighted metric its scored rows only")
    columns = metric.columns(holed)
    scored = ~np.isnan(columns).any(axis=1)
    expected = metric.columns(frame[~lost])
    np.testing.assert_allclose(columns[scored & ~lost], expected[~np.isnan(expected).any(axis=1)])
    assert not columns[scored & lost].any()


@pytest.mark.parametrize(("task", "metric"), CASES, ids=IDS)
def test_nothing_scored_is_no_number(task: str, metric: Metric) -> None:
    if metric.value is None:
        pytest.skip("a weighted metric is not asked about nothing")
    assert np.isnan(metric.value(metric.columns(frame_of(task, 1)).sum(0) * 0))
