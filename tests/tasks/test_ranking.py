"""Ranks against brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mafs_bench.stats.resampling import Resampling, replicate
from mafs_bench.tasks import get_task
from mafs_bench.tasks.ranking import first_correct_ranks, invert, rank_all, score_memory


def brute_force(scores: np.ndarray, relevant: list[np.ndarray], excluded: list[np.ndarray]) -> np.ndarray:
    ranks = []
    for row, right, out in zip(scores, relevant, excluded, strict=True):
        right = np.setdiff1d(right, out)
        wrong = np.setdiff1d(np.arange(len(row)), np.concatenate([right, out]))
        ranks.append(1 + np.sum(row[wrong] >= row[right].max()) if len(right) else np.nan)
    return np.array(ranks, dtype=float)


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_those_of_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, gallery = (rng.normal(size=(n, 5)).astype(np.float32) for n in (1300, 70))
    gallery[10:20] = gallery[:10]  # ties
    relevant = [np.sort(rng.choice(70, size=rng.integers(0, 5), replace=False)) for _ in range(1300)]
    excluded = [np.sort(rng.choice(70, size=rng.integers(0, 3), replace=False)) for _ in range(1300)]
    expected = brute_force(queries @ gallery.T, relevant, excluded)
    kept = [np.setdiff1d(r, e) for r, e in zip(relevant, excluded, strict=True)]
    np.testing.assert_array_equal(first_correct_ranks(queries, gallery, kept, excluded=excluded), expected)


def test_a_collapsed_model_is_last() -> None:
    same = np.ones((4, 3), dtype=np.float32)
    ranks = first_correct_ranks(same, np.ones((10, 3), dtype=np.float32), [np.array([i]) for i in range(4)])
    assert ranks.tolist() == [10.0] * 4


def test_reranking_orders_the_best_by_the_second_score() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
    second = rng.normal(size=(6, 30)).astype(np.float32)
    relevant = [np.array([i, i + 7]) for i in range(6)]
    ranks = first_correct_ranks(queries, gallery, relevant, rerank=8, pair_scores=lambda q, g: second[q, g])
    first = queries @ gallery.T
    for i in range(6):
        top = np.argsort(-first[i])[:8]
        order = [*top[np.argsort(-second[i][top])], *np.argsort(-first[i])[8:]]
        assert ranks[i] == 1 + min(order.index(j) for j in relevant[i])


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_median_and_mean_of_ranks_are_those_of_numpy_and_of_the_direction(n: int) -> None:
    rng = np.random.default_rng(n)
    t2i, i2t = (rng.integers(1, 12, size).astype(float) for size in (3 * n, n))
    t2i[0] = np.nan
    frame = pd.DataFrame(
        {
            "score": np.concatenate([t2i, i2t]),
            "direction": ["t2i"] * len(t2i) + ["i2t"] * len(i2t),
            "group": [str(i % n) for i in range(4 * n)],
        }
    )
    resampling = Resampling(frame["group"], n_resamples=40)
    metrics = {metric.name: metric for metric in get_task("retrieval").metrics}
    for direction, ranks, unscored in (("t2i", t2i, 1), ("i2t", i2t, 0)):
        made = replicate(metrics[f"{direction}_medr"], frame, resampling)
        mean = replicate(metrics[f"{direction}_meanr"], frame, resampling)
        assert (made.value, mean.value) == (np.nanmedian(ranks), pytest.approx(np.nanmean(ranks)))
        assert (made.n, made.n_unscored) == (mean.n, mean.n_unscored) == (len(ranks) - unscored, unscored)
        own = frame[frame["direction"] == direction].dropna()
        groups = own["group"].astype(int)
        order = [int(cluster) for cluster in resampling.clusters]
        expected = [
            np.median(np.repeat(own["score"], pd.Series(counts, index=order)[groups].to_numpy()))
            for counts in resampling.counts.astype(int)
            if pd.Series(counts, index=order)[groups].sum()
        ]
        np.testing.assert_array_equal(made.draws[~np.isnan(made.draws)], expected)
    assert [metrics[f"{d}_medr"].higher_is_better for d in ("t2i", "i2t")] == [False, False]


def test_invert_swaps_queries_and_items() -> None:
    items = invert([np.array([0, 2]), np.array([2]), np.array([], dtype=np.int64)], 4)
    assert [x.tolist() for x in items] == [[0], [], [0, 1], []]


@pytest.mark.parametrize("memory", [1, 70 * 4, 70 * 4 * 100])
def test_ranks_do_not_depend_on_the_memory(memory: int) -> None:
    rng = np.random.default_rng(5)
    queries, gallery = (rng.integers(-4, 5, size=(n, 6)).astype(np.float32) for n in (300, 70))
    relevant = [np.sort(rng.choice(70, size=3, replace=False)) for _ in range(300)]
    expected = first_correct_ranks(queries, gallery, relevant)
    token = score_memory.set(memory)
    try:
        np.testing.assert_array_equal(first_correct_ranks(queries, gallery, relevant), expected)
    finally:
        score_memory.reset(token)


@pytest.mark.parametrize("rerank", [0, 8, 100])
def test_precision_at_r_is_that_of_the_sorted_list(rerank: int) -> None:
    rng = np.random.default_rng(3)
    queries, gallery = (rng.integers(-3, 4, size=(n, 4)).astype(np.float32) for n in (200, 40))
    second = rng.normal(size=(200, 40)).astype(np.float32)
    relevant = [np.sort(rng.choice(40, size=rng.integers(0, 7), replace=False)) for _ in range(200)]
    excluded = [np.sort(rng.choice(40, size=2, replace=False)) for _ in range(200)]
    at = [len(items) + int(rng.integers(0, 2)) for items in relevant]
    scores = queries @ gallery.T + rng.normal(scale=1e-4, size=(200, 40)) * (rerank > 0)
    options = {"rerank": rerank, "pair_scores": lambda q, g: second[q, g]} if rerank else {}
    factors = (queries, gallery) if not rerank else (scores.astype(np.float32), np.eye(40, dtype=np.float32))
    found = rank_all(*factors, relevant, at=at, excluded=excluded, **options)
    for i, items in enumerate(relevant):
        there = np.setdiff1d(np.arange(40), excluded[i])
        # the worst order among equals: what is wrong stands first
        order = sorted(there, key=lambda j: (-scores[i][j], j in items))
        order = [*sorted(order[:rerank], key=lambda j: -second[i][j]), *order[rerank:]]
        hits = np.isin(order, items)
        if not hits.any():
            assert np.isnan([found.first[i], found.average_precision[i], found.r_precision[i]]).all()
            continue
        best = hits[: at[i]]
        precision = np.cumsum(best) / np.arange(1, len(best) + 1)
        assert found.first[i] == 1 + hits.argmax()
        assert found.r_precision[i] == pytest.approx(best.sum() / at[i])
        assert found.average_precision[i] == pytest.approx((precision * best).sum() / at[i])
