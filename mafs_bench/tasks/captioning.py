"""Captioning: image in, one sentence out, held against the captions that people wrote.

``context-captioning`` gives the first caption beside the image (the context that corruptions of text and pairing
act on) and keeps the others as references; it is run where it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mafs_bench.errors import UsageError
from mafs_bench.metrics.captioning import caption_statistics
from mafs_bench.metrics.java_metrics import start_meteor
from mafs_bench.tasks.base import Pair, Task, View
from mafs_bench.types import Dataset


def score(adapter: Any, view: View) -> pd.DataFrame:
    """A row an image: id, group, score = CIDEr-D of the caption, the caption, and the other statistics.

    All captions of an image are references; those of the whole split set CIDEr's document frequencies. Images
    that could not be read are unscored.
    """
    pairs = [Pair(s.id, i, "") for i, s in enumerate(view.dataset.samples) if s.captions]
    references = [view.dataset.samples[pair.sample].captions for pair in pairs]
    return _score(adapter, view, pairs, references)


def score_with_context(adapter: Any, view: View) -> pd.DataFrame:
    """As ``score``, with the first caption as context and the others as references.

    Raises ``UsageError`` where no image has two captions.
    """
    pairs = context_pairs(view.dataset)
    if not pairs:
        raise UsageError(f"context-captioning needs two captions an image, {view.dataset.name} has fewer")
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
    adapter: Any, view: View, pairs: Sequence[Pair], references: Sequence[Sequence[str]]
) -> pd.DataFrame:
    captions: list[str | None] = [None] * len(pairs)
    start_meteor()
    for batch in view.pair_batches(pairs):
        given = adapter.caption(batch.images, batch.texts)
        for row, caption, applicable in zip(batch.rows, given, batch.applicable, strict=True):
            captions[row] = caption if applicable else None
    named = pd.DataFrame(
        {
            "id": [pair.id for pair in pairs],
            "group": [view.dataset.samples[pair.sample].group for pair in pairs],
            "caption": captions,
        }
    )
    return pd.concat([named, caption_statistics(captions, references)], axis=1)


TASK = Task(
    name="captioning",
    primary="cider_d",
    needs=(frozenset({"Captioner"}),),
    requires="captions",
    joint_input=False,
    score=score,
    reads=frozenset({"image"}),
)

CONTEXT_TASK = Task(
    name="context-captioning",
    primary="cider_d",
    needs=(frozenset({"Captioner"}),),
    requires="captions",
    joint_input=True,
    score=score_with_context,
    on_request=True,
)
