"""Caption metrics on frames of per-sample statistics.

Columns: ``score`` (CIDEr-D of the sample), ``rouge_l``, ``bleu_match_1`` … ``_4``, ``bleu_guess_1`` … ``_4``,
``length``, ``reference_length``; with Java also ``spice`` and the ``meteor_…`` statistics; with a judge also
``clip_score`` and ``ref_clip_score``. A row whose ``score`` is NaN is unscored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd

from mafs_bench.metrics.caption_scores import ORDERS, CiderD, Tokens, bleu_statistics, most_grams, rouge_l
from mafs_bench.metrics.caption_tokens import tokenize
from mafs_bench.metrics.clip_score import CLIP_SCORE_METRICS
from mafs_bench.metrics.columns import Array, columns_of, mean_of, ratio
from mafs_bench.metrics.java_metrics import METEOR_COLUMNS, meteor, meteor_statistics, spice_scores
from mafs_bench.types import Metric

_SMALL, _TINY = 1e-9, 1e-15
"""What ``pycocoevalcap`` adds below and above BLEU's fractions."""


def caption_statistics(captions: Sequence[str | None], references: Sequence[Sequence[str]]) -> pd.DataFrame:
    """One row per caption with all statistics; a caption of None is unscored (a row of NaN).

    All references together give CIDEr's document frequencies. Raises ``DataError`` if an installed Java program
    fails.
    """
    truth = _references(tuple(map(tuple, references)))
    given = [None if caption is None else tokenize(caption) for caption in captions]
    rows = [{} if tokens is None else truth.row(i, tokens) for i, tokens in enumerate(given)]
    frame = pd.DataFrame(rows, columns=["score", "rouge_l", *BLEU_COLUMNS], dtype=np.float64)
    return _with_java(frame, given, truth.tokens)


class _References:
    """A split's references, tokenised and counted once for all conditions, and a cache of computed rows."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self.tokens = [[tokenize(text) for text in own] for own in texts]
        self._most = [most_grams(own) for own in self.tokens]
        self._cider = CiderD(self.tokens)
        self._rows: dict[tuple[int, Tokens], dict[str, float]] = {}

    def row(self, image: int, caption: Tokens) -> dict[str, float]:
        """The statistics of a caption, cached: under mild corruption the caption is often unchanged."""
        key = (image, caption)
        if key not in self._rows:
            references = self.tokens[image]
            bleu = bleu_statistics(caption, references, self._most[image])
            counts = (*bleu.matches, *bleu.guesses, bleu.length, bleu.reference_length)
            self._rows[key] = {
                "score": self._cider.score(image, caption),
                "rouge_l": rouge_l(caption, references),
                **dict(zip(BLEU_COLUMNS, map(float, counts), strict=True)),
            }
        return self._rows[key]


@lru_cache(maxsize=2)
def _references(texts: tuple[tuple[str, ...], ...]) -> _References:
    """Cached: every condition of a run has the same references."""
    return _References(texts)


def _with_java(
    frame: pd.DataFrame, given: Sequence[Tokens | None], truth: Sequence[Sequence[Tokens]]
) -> pd.DataFrame:
    """Add the columns of METEOR and SPICE if they are available."""
    scored = [i for i, tokens in enumerate(given) if tokens is not None]
    captions = [tokens for tokens in given if tokens is not None]
    references = [truth[i] for i in scored]
    parts = [frame]
    if (statistics := meteor_statistics(captions, references)) is not None:
        parts.append(pd.DataFrame(statistics, index=scored, columns=list(METEOR_COLUMNS)))
    if (spice := spice_scores(captions, references)) is not None:
        parts.append(pd.DataFrame({"spice": spice}, index=scored))
    return pd.concat(parts, axis=1)


BLEU_COLUMNS = (
    *(f"bleu_match_{n}" for n in ORDERS),
    *(f"bleu_guess_{n}" for n in ORDERS),
    "length",
    "reference_length",
)


def _bleu_columns(frame: pd.DataFrame) -> Array:
    """``BLEU_COLUMNS`` and a column of ones: (n, 11)."""
    return np.concatenate([columns_of(*BLEU_COLUMNS)(frame), np.ones((len(frame), 1))], axis=1)


def _bleu(n: int) -> Callable[[Array], Array]:
    """BLEU-n from sums (..., 11)."""

    def value(sums: Array) -> Array:
        precisions = (sums[..., :n] + _TINY) / (sums[..., 4 : 4 + n] + _SMALL)
        length_ratio = (sums[..., 8] + _TINY) / (sums[..., 9] + _SMALL)
        brevity = np.exp(1 - 1 / np.minimum(length_ratio, 1))
        score = np.prod(precisions, axis=-1) ** (1 / n) * brevity
        return np.where(sums[..., 10] > 0, score, np.nan)

    return value


def _meteor_columns(frame: pd.DataFrame) -> Array:
    """``METEOR_COLUMNS`` and a column of ones: (n, 24)."""
    return np.concatenate([columns_of(*METEOR_COLUMNS)(frame), np.ones((len(frame), 1))], axis=1)


def _metric(
    name: str, high: float, source: str, columns: Callable[..., Array], value: Callable[[Array], Array]
) -> Metric:
    return Metric(name, "captioning", 0.0, high, True, source, columns, value, interval="bootstrap-t")


CAPTIONING_METRICS: tuple[Metric, ...] = (
    _metric("cider_d", 10.0, "Vedantam et al., CVPR 2015, as in pycocoevalcap 1.2", mean_of("score"), ratio),
    *(
        _metric(
            f"bleu_{n}",
            1.0,
            "Papineni et al., ACL 2002, as in pycocoevalcap 1.2",
            _bleu_columns,
            _bleu(n),
        )
        for n in ORDERS
    ),
    _metric("rouge_l", 1.0, "Lin, ACL 2004, as in pycocoevalcap 1.2", mean_of("rouge_l"), ratio),
    _metric("meteor", 1.0, "Denkowski and Lavie, WMT 2014, version 1.5", _meteor_columns, meteor),
    _metric("spice", 1.0, "Anderson et al., ECCV 2016", mean_of("spice"), ratio),
    *CLIP_SCORE_METRICS,
)

CONTEXT_METRICS = tuple(replace(metric, task="context-captioning") for metric in CAPTIONING_METRICS)
