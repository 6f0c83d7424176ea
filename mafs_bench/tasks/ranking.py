"""Ranks of the correct items, block by block, exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.types import FloatArray

Index = npt.NDArray[np.int64]
PairScores = Callable[[Index, Index], FloatArray]
"""Scores of aligned (query, gallery) positions, for re-ranking."""
Reranked = tuple[Index, FloatArray]
"""The best k of a query, positions ascending, and their second scores."""

score_memory: ContextVar[int] = ContextVar("score_memory", default=2 << 30)
"""Bytes that a block of scores may take, however large the gallery (``--memory``)."""

_BLOCK = 1024
"""Queries a block at most: more make a matrix product no faster."""

_BYTES = 4
"""Of a score."""

PAIRS_AT_ONCE = 64
"""Pairs that are scored together: what a pair scorer reads again of an image may be 2 MB a pair."""


def invert(relevant: Sequence[Index], n_gallery: int) -> list[Index]:
    """Turn "gallery items of each query" into "queries of each gallery item"."""
    queries = np.repeat(np.arange(len(relevant)), [len(items) for items in relevant])
    items = np.concatenate(relevant) if len(relevant) else np.empty(0, dtype=np.int64)
    order = np.argsort(items, kind="stable")
    bounds = np.searchsorted(items[order], np.arange(n_gallery + 1))
    return [queries[order[bounds[i] : bounds[i + 1]]] for i in range(n_gallery)]


@dataclass(frozen=True)
class Ranked:
    """How n queries fared, float64 (n,) each, NaN where nothing is relevant.

    first: rank of the best-placed relevant item. average_precision, r_precision: AP@R and R-Precision, the share
    of relevant items among the best R, where R was given.
    """

    first: npt.NDArray[np.float64]
    average_precision: npt.NDArray[np.float64]
    r_precision: npt.NDArray[np.float64]


def first_correct_ranks(
    queries: FloatArray, gallery: FloatArray, relevant: Sequence[Index], **options: Any
) -> npt.NDArray[np.float64]:
    """Rank of the best-placed relevant item of each query; see ``rank_all``."""
    return rank_all(queries, gallery, relevant, **options).first


def rank_all(
    queries: FloatArray,
    gallery: FloatArray,
    relevant: Sequence[Index],
    *,
    at: Sequence[int] | None = None,
    excluded: Sequence[Index] | None = None,
    rerank: int = 0,
    pair_scores: PairScores | None = None,
    pairs_at_once: int = PAIRS_AT_ONCE,
) -> Ranked:
    """Rank the relevant items of each query: 1 is best. ``at`` gives R of each query.

    queries (n, d), gallery (m, d): float32; the score is their dot product. ``excluded`` items are not in
    that query's gallery. With ``pair_scores`` the ``rerank`` best by dot product are put in its order,
    ahead of all others (ALBEF, arXiv 2107.07651). Ties count against the model: an irrelevant item of the
    same score stands before a relevant one. A block of queries is held against the whole gallery at once, as
    many as ``score_memory`` allows.
    """
    ranks, precisions = np.full(len(queries), np.nan), np.full((2, len(queries)), np.nan)
    size = _block_rows(len(gallery))
    buffer = np.empty((min(size, len(queries)), len(gallery)), dtype=np.float32)
    for start in range(0, len(queries), size):
        rows = np.arange(start, min(start + size, len(queries)))
        scores = np.matmul(queries[start : start + size], gallery.T, out=buffer[: len(rows)])
        if excluded is not None:
            for row in rows.tolist():
                scores[row - start, excluded[row]] = -np.inf
        ranks[rows] = _block_ranks(scores, [relevant[row] for row in rows.tolist()])
        again: dict[int, Reranked] = {}
        if pair_scores is not None and rerank > 0:
            again = _rerank(ranks, rows, scores, relevant, rerank, pair_scores, pairs_at_once)
        if at is not None:
            for row in rows.tolist():
                own = scores[row - start]
                items = relevant[row][np.isfinite(own[relevant[row]])]
                if len(items):
                    precisions[:, row] = precision_at(_relevant_ranks(own, items, again.get(row)), at[row])
    return Ranked(ranks, *precisions)


def precision_at(ranks: npt.NDArray[np.int64], r: int) -> tuple[float, float]:
    """AP@R and R-Precision from the ranks of all relevant items, ascending (Musgrave et al., ECCV 2020)."""
    hits = ranks[ranks <= r]
    precisions = np.arange(1, len(hits) + 1) / hits
    return float(precisions.sum() / r), len(hits) / r


def _relevant_ranks(scores: FloatArray, items: Index, again: Reranked | None) -> npt.NDArray[np.int64]:
    """Ranks of all relevant items of one query, ascending: those that were ranked again stand first."""
    if again is None:
        return _ranks_among(scores, items)
    top, second = again
    inside = np.isin(items, top)
    first = _ranks_among(second, np.searchsorted(top, items[inside]))
    own = np.sort(scores[items[~inside]])[::-1]
    wrong = np.delete(scores, items)
    rest = (wrong >= own[:, None]).sum(axis=1) + np.arange(len(first) + 1, len(items) + 1)
    return np.concatenate([first, rest])


def _ranks_among(scores: FloatArray, items: Index) -> npt.NDArray[np.int64]:
    own = np.sort(scores[items])[::-1]
    wrong = np.delete(scores, items)
    return np.asarray((wrong >= own[:, None]).sum(axis=1) + np.arange(1, len(items) + 1))


def _block_rows(n_gallery: int) -> int:
    return max(1, min(_BLOCK, score_memory.get() // max(1, n_gallery * _BYTES)))


def _block_ranks(scores: FloatArray, relevant: Sequence[Index]) -> npt.NDArray[np.float64]:
    lengths = np.array([len(items) for items in relevant])
    rows = np.repeat(np.arange(len(relevant)), lengths)
    own = scores[rows, np.concatenate(relevant)] if len(rows) else np.empty(0, dtype=np.float32)
    best = np.full(len(relevant), -np.inf, dtype=np.float32)
    np.maximum.at(best, rows, own)
    at_least = np.array([np.count_nonzero(row >= least) for row, least in zip(scores, best, strict=True)])
    own_at_least = np.bincount(rows[own >= best[rows]], minlength=len(relevant))
    found = (lengths > 0) & np.isfinite(best)
    return np.where(found, 1.0 + at_least - own_at_least, np.nan)


def _rerank(
    ranks: npt.NDArray[np.float64],
    rows: Index,
    scores: FloatArray,
    relevant: Sequence[Index],
    rerank: int,
    pair_scores: PairScores,
    pairs_at_once: int,
) -> dict[int, Reranked]:
    """Overwrite the ranks of the queries that have a relevant item among their ``rerank`` best; give their scores.

    The others are not scored at all: no order of their best changes the rank.
    """
    k = min(rerank, scores.shape[1])
    top = np.stack([np.sort(np.argpartition(-own, k - 1)[:k]) for own in scores]).astype(np.int64)
    correct = np.stack([np.isin(top[i], relevant[row]) for i, row in enumerate(rows.tolist())])
    in_gallery = np.isfinite(np.take_along_axis(scores, top, axis=1))
    needed = np.flatnonzero((correct & in_gallery).any(axis=1))
    queries, items = np.repeat(rows[needed], k), top[needed].ravel()
    blocks = [slice(start, start + pairs_at_once) for start in range(0, len(queries), pairs_at_once)]
    parts = [pair_scores(queries[block], items[block]) for block in blocks]
    second = np.concatenate(parts).reshape(-1, k) if parts else np.empty((0, k), dtype=np.float32)
    second = np.where(in_gallery[needed], second, -np.inf)
    for i, own in zip(needed, second, strict=True):
        best = own[correct[i]].max()
        ranks[rows[i]] = 1.0 + np.count_nonzero(own[~correct[i]] >= best)
    return {int(rows[i]): (top[i], own) for i, own in zip(needed, second, strict=True)}
