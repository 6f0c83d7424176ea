"""Captioning: image in, one sentence out, held against the captions that people wrote.

``context-captioning`` gives the first caption beside the image (the context that corruptions of text and pairing
act on) and keeps the others as references; it is run where it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import Adapter, Caption
from mafs_bench.adapters.outputs import captions_of, texts_of
from mafs_bench.errors import UsageError
from mafs_bench.metrics.captioning import (
    BLEU_COLUMNS,
    CAPTIONING_METRICS,
    CONTEXT_METRICS,
    caption_statistics,
)
from mafs_bench.metrics.clip_score import PREFIX, clip_scores, ref_clip_scores
from mafs_bench.metrics.java_metrics import start_meteor
from mafs_bench.tasks.base import (
    Array,
    Judge,
    Pair,
    PairInputs,
    Task,
    View,
    ask,
    flags,
    images_as_pairs,
    score_of,
)
from mafs_bench.tasks.columns import KEYS, ScoreColumn
from mafs_bench.types import Dataset


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """One row per image: id, group, score = CIDEr-D of the caption, the caption, and the other statistics.

    All captions of an image are references; those of all images set CIDEr's document frequencies, which are
    undefined for a single one. The adapter's diagnostics (``alpha_image`` …) stand beside the score.
    """
    pairs = [Pair(s.id, i, "") for i, s in enumerate(view.dataset.samples) if s.captions]
    references = [view.dataset.samples[pair.sample].captions for pair in pairs]
    return _score(adapter, view, pairs, references)


def score_with_context(adapter: Adapter, view: View) -> pd.DataFrame:
    """As ``score``, with the first caption as context and the others as references.

    Raises ``UsageError`` where no image has two captions.
    """
    pairs = context_pairs(view.dataset)
    if not pairs:
        raise UsageError(f"context-captioning needs two captions per image, {view.dataset.name} has fewer")
    references = [view.dataset.samples[pair.sample].captions[1:] for pair in pairs]
    return _score(adapter, view, pairs, references)


def context_pairs(dataset: Dataset) -> list[Pair]:
    """Every image that has two captions, with the first of them."""
    return [
        Pair(sample.caption_id(0), i, sample.captions[0])
        for i, sample in enumerate(dataset.samples)
        if len(sample.captions) > 1
    ]


def _score(
    adapter: Adapter, view: View, pairs: Sequence[Pair], references: Sequence[Sequence[str]]
) -> pd.DataFrame:
    start_meteor()
    embedded = adapter.supports("caption_embedded")
    captions = _caption_embedded(adapter, view, pairs) if embedded else _caption_raw(adapter, view, pairs)
    texts = [None if caption is None else caption.text for caption in captions]
    named = pd.DataFrame(
        {
            "id": [pair.id for pair in pairs],
            "group": [view.dataset.samples[pair.sample].group for pair in pairs],
            "caption": texts,
        }
    )
    diagnostics = pd.DataFrame(
        [{} if c is None else dict(c.diagnostics) for c in captions], index=named.index
    )
    statistics = caption_statistics(texts, references)
    if len(pairs) == 1:
        statistics["score"] = np.nan  # undefined, for which the reference code gives 0
    parts = [named, statistics, diagnostics]
    if view.judge is not None:
        own = np.array([pair.sample for pair in pairs])
        parts.append(_judged(view.judge, own, texts, references))
    return pd.concat(parts, axis=1)


def _caption_embedded(adapter: Adapter, view: View, pairs: Sequence[Pair]) -> list[Caption | None]:
    """Captions from embeddings: each image is encoded once for all tasks."""
    inputs = view.pair_embeddings(pairs)
    given = captions_of(adapter.caption_embedded(inputs.images, inputs.texts), len(pairs), "caption_embedded")
    return [caption if asked else None for caption, asked in zip(given, inputs.applicable, strict=True)]


def _caption_raw(adapter: Adapter, view: View, pairs: Sequence[Pair]) -> list[Caption | None]:
    """Captions of a model that reads image and context together."""

    def describe(inputs: PairInputs) -> list[Caption]:
        given = adapter.describe(inputs.images, inputs.texts, inputs.present)
        return [Caption(text) for text in texts_of(given, len(inputs.texts), "caption")]

    return ask(view, pairs, describe, adapter.batches_at_once)


def _judged(
    judge: Judge,
    own: npt.NDArray[np.int64],
    captions: Sequence[str | None],
    references: Sequence[Sequence[str]],
) -> pd.DataFrame:
    """CLIPScore and RefCLIPScore a row, of the caption and the clean image at ``own``; NaN where there is none."""
    ends = np.cumsum([len(texts) for texts in references])
    theirs = np.split(judge.texts([PREFIX + text for texts in references for text in texts]), ends[:-1])
    written = np.array([i for i, caption in enumerate(captions) if caption is not None], dtype=np.int64)
    frame = pd.DataFrame(np.nan, index=range(len(captions)), columns=["clip_score", "ref_clip_score"])
    if len(written):
        ours = judge.texts([f"{PREFIX}{captions[i]}" for i in written])
        scores = clip_scores(judge.images()[own[written]], ours)
        frame.loc[written, "clip_score"] = scores
        frame.loc[written, "ref_clip_score"] = ref_clip_scores(scores, ours, [theirs[i] for i in written])
    return frame


def notes(dataset: Dataset, limit: int | None) -> list[str]:
    """What CIDEr's document frequencies are counted on, where that is not the whole split."""
    n = sum(bool(sample.captions) for sample in dataset.samples)
    if n == 1:
        return ["captioning: CIDEr-D is undefined for one image: all its document frequencies are equal"]
    if limit is None:
        return []
    return [
        f"captioning: CIDEr-D counts document frequencies on the references of these {n} images (--limit {limit}); on "
        "more images the same captions score otherwise"
    ]


def _below_median(frame: pd.DataFrame) -> Array:
    """1 where a caption is worse than the median, NaN where unscored."""
    values = score_of(frame)
    return flags(values, values < (np.nanmedian(values) if not np.isnan(values).all() else 0))


def _above_zero(frame: pd.DataFrame) -> Array:
    values = score_of(frame)
    return np.where(values > 0, values, np.nan)


TASK = Task(
    name="captioning",
    primary="cider_d",
    needs=(frozenset({"caption"}), frozenset({"caption_embedded"})),
    requires="captions",
    joint_input=False,
    score=score,
    reads=frozenset({"image"}),
    notes=notes,
    metrics=CAPTIONING_METRICS,
    columns=(
        *KEYS,
        ScoreColumn("score", (0, 10)),
        ScoreColumn("rouge_l", (0, 1)),
        *(ScoreColumn(name, (0, 1e5), whole=True) for name in BLEU_COLUMNS),
    ),
    inputs=images_as_pairs,
    wrong=_below_median,
    trace=_above_zero,
    alone=True,
    but_not=frozenset({"cider_d"}),
    writes_captions=True,
)

CONTEXT_TASK = replace(
    TASK,
    name="context-captioning",
    joint_input=True,
    score=score_with_context,
    reads=frozenset({"image", "text"}),
    on_request=True,
    metrics=CONTEXT_METRICS,
    inputs=context_pairs,
)
