"""Ranks against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from mafs_bench.tasks.ranking import first_correct_ranks, invert, score_memory


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
