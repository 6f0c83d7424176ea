"""Fused retrieval: a query of image and caption together, against the other captions of the split.

The images of the split are not in the gallery: the query's own would answer by itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter
from mafs_bench.adapters.outputs import fused_of
from mafs_bench.metrics.retrieval import FUSED_METRICS
from mafs_bench.tasks.base import (
    Task,
    View,
    caption_pairs,
    missed,
    missed_ranks,
    reciprocal_rank,
    true_captions,
)
from mafs_bench.tasks.columns import KEYS, RANK
from mafs_bench.tasks.ranking import first_correct_ranks
from mafs_bench.types import Dataset


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """One row per query (image, caption): id, group, score = rank of the first correct other caption.

    Correct is every caption that is true of the query's own image; where pairs are shuffled the image that it is
    shown is another's, and only its text tells what is asked for. The query's own caption, and one that it holds
    instead, are not in its gallery. The fusion's diagnostics (``alpha_image``,
    ``alpha_text`` …) stand beside the score.
    """
    dataset = view.dataset
    pairs = caption_pairs(dataset)
    inputs = view.pair_embeddings(pairs)
    fused = fused_of(adapter.fuse(inputs.images, inputs.texts), len(pairs), "fuse")
    of_image = true_captions(dataset)
    held = [np.array([k, other]) for k, other in enumerate(inputs.text_from)]
    true = [of_image[pair.sample] for pair in pairs]
    relevant = [items[(items != k) & (items != other)] for items, (k, other) in zip(true, held, strict=True)]
    ranks = first_correct_ranks(fused.vectors, view.clean_captions().vectors, relevant, excluded=held)
    ranks[~inputs.applicable] = np.nan
    return pd.DataFrame(
        {
            "id": [pair.id for pair in pairs],
            "group": [dataset.samples[pair.sample].group for pair in pairs],
            "score": ranks,
            **fused.diagnostics,
        }
    )


def refuse(dataset: Dataset) -> str | None:
    """Why nothing can be asked: an image's query finds its other captions, and there are none."""
    if any(len(captions) > 1 for captions in true_captions(dataset)):
        return None
    return (
        f"every image of {dataset.name} has one caption: a query is an image with one of its captions, and what it "
        "is to find are the image's other captions"
    )


TASK = Task(
    name="fused-retrieval",
    primary="r1",
    needs=(DUAL_ENCODER | {"fuse"},),
    requires="captions",
    joint_input=True,
    score=score,
    refuse=refuse,
    metrics=FUSED_METRICS,
    columns=(*KEYS, RANK),
    inputs=caption_pairs,
    goodness=reciprocal_rank,
    wrong=missed,
    trace=missed_ranks,
)
