"""Captioning: image in, one sentence out, held against the captions that people wrote."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mafs_bench.metrics.captioning import caption_statistics
from mafs_bench.metrics.java_metrics import start_meteor
from mafs_bench.tasks.base import Pair, Task, View


def score(adapter: Any, view: View) -> pd.DataFrame:
    """A row an image: id, group, score = CIDEr-D of the caption, the caption, and the other metrics' statistics.

    All captions of an image are references; those of the whole split set CIDEr's document frequencies. Images
    that could not be read are unscored.
    """
    samples = [sample for sample in view.dataset.samples if sample.captions]
    position = {sample.id: i for i, sample in enumerate(view.dataset.samples)}
    pairs = [Pair(sample.id, position[sample.id], "") for sample in samples]
    captions: list[str | None] = [None] * len(pairs)
    start_meteor()
    for batch in view.pair_batches(pairs):
        given = adapter.caption(batch.images, batch.texts)
        for row, caption, applicable in zip(batch.rows, given, batch.applicable, strict=True):
            captions[row] = caption if applicable else None
    statistics = caption_statistics(captions, [sample.captions for sample in samples])
    named = pd.DataFrame(
        {
            "id": [sample.id for sample in samples],
            "group": [sample.group for sample in samples],
            "caption": captions,
        }
    )
    return pd.concat([named, statistics], axis=1)


TASK = Task(
    name="captioning",
    primary="cider_d",
    needs=(frozenset({"Captioner"}),),
    requires="captions",
    joint_input=False,
    score=score,
    reads=frozenset({"image"}),
)
