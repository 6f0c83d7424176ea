"""Ranks of the first correct item, block by block, exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar

import numpy as np
import numpy.typing as npt

from mafs_bench.types import FloatArray

Index = npt.NDArray[np.int64]
PairScores = Callable[[Index, Index], FloatArray]
"""Scores of aligned (query, gallery) positions, for re-ranking."""

score_memory: ContextVar[int] = ContextVar("score_memory", default=2 << 30)
"""Bytes that a block of scores may take, however large the gallery (``--memory``)."""

_BLOCK = 1024
"""Queries a block at most: more make a matrix product no faster."""

_BYTES = 4
"""Of a score."""

_RERANK_BYTES = 24
"""Of a score where the best are sorted out: itself, negated, and positions."""
PAIRS_AT_ONCE = 256
"""Pairs that are scored together: what a pair scorer reads again of an image may be large."""


def invert(relevant: Sequence[Index], n_gallery: int) -> list[Index]:
    """Turn "gallery items of each query" into "queries of each gallery item"."""
    queries = np.repeat(np.arange(len(relevant)), [len(items) for items in relevant])
    items = np.concatenate(relevant) if len(relevant) else np.empty(0, dtype=np.int64)
    order = np.argsort(items, kind="stable")
    bounds = np.searchsorted(items[order], np.arange(n_gallery + 1))
    return [queries[order[bounds[i] : bounds[i + 1]]] for i in range(n_gallery)]


def first_correct_ranks(
    queries: FloatArray,
    gallery: FloatArray,
    relevant: Sequence[Index],
    *,
    excluded: Sequence[Index] | None = None,
    rerank: int = 0,
    pair_scores: PairScores | None = None,
    pairs_at_once: int = PAIRS_AT_ONCE,
) -> npt.NDArray[np.float64]:
    """Rank of the best-placed relevant item of each query: 1 is best, NaN where none is relevant.

    queries (n, d), gallery (m, d): float32; the score is their dot product. ``excluded`` items are not in
    that query's gallery. With ``pair_scores`` the ``rerank`` best by dot product are put in its order,
    ahead of all others (ALBEF, arXiv 2107.07651). Ties count against the model: an irrelevant item of the
    same score stands before a relevant one. A block of queries is held against the whole gallery at once, as
    many as ``score_memory`` allows.
    """
    ranks = np.full(len(queries), np.nan)
    size = _block_rows(len(gallery), reranks=pair_scores is not None and rerank > 0)
    buffer = np.empty((min(size, len(queries)), len(gallery)), dtype=np.float32)
    for start in range(0, len(queries), size):
        rows = np.arange(start, min(start + size, len(queries)))
        scores = np.matmul(queries[start : start + size], gallery.T, out=buffer[: len(rows)])
        if excluded is not None:
            for row in rows.tolist():
                scores[row - start, excluded[row]] = -np.inf
        ranks[rows] = _block_ranks(scores, [relevant[row] for row in rows.tolist()])
        if pair_scores is not None and rerank > 0:
            _rerank(ranks, rows, scores, relevant, rerank, pair_scores, pairs_at_once)
    return ranks


def _block_rows(n_gallery: int, *, reranks: bool) -> int:
    each = n_gallery * (_RERANK_BYTES if reranks else _BYTES)
    return max(1, min(_BLOCK, score_memory.get() // max(1, each)))


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
) -> None:
    """Overwrite the ranks of the queries that have a relevant item among their ``rerank`` best.

    The others are not scored at all: no order of their best changes the rank.
    """
    k = min(rerank, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k].astype(np.int64)
    top.sort(axis=1)
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
