"""Cross-modal retrieval: text to images and image to texts over the whole split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter
from mafs_bench.adapters.outputs import scores_of
from mafs_bench.tasks.base import Task, View, caption_pairs, relevant_captions, true_captions
from mafs_bench.tasks.ranking import PAIRS_AT_ONCE, Index, rank_all
from mafs_bench.types import FloatArray


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """A row a query: id, group, direction ("t2i", "i2t"), score = rank of the first correct item.

    Where people judged which pairs are true, ``map_at_r`` and ``r_precision`` stand beside it.

    The gallery is always whole. Captions and images that the corruption cannot change are unscored as queries, and
    so are the captions of such images: what they look for is clean. Under a corruption of texts an image is a query
    only where a caption that is true of it changed.
    """
    dataset = view.dataset
    pairs = caption_pairs(dataset)
    images, captions = view.images(), view.captions()
    truth = relevant_captions(dataset)

    def text_to_image(text: Index, image: Index) -> FloatArray:
        return scores_of(
            adapter.score_pairs(images.take(image), captions.take(text)), len(text), "score_pairs"
        )

    def image_to_text(image: Index, text: Index) -> FloatArray:
        return text_to_image(text, image)

    reranks = adapter.supports("score_pairs")
    k = adapter.rerank if reranks else 0
    together = adapter.pairs_at_once or PAIRS_AT_ONCE
    judged = dataset.relevance is not None and dataset.relevance.image_totals is not None
    t2i = rank_all(
        captions.vectors,
        images.vectors,
        truth,
        at=[len(items) for items in truth] if judged else None,
        rerank=k,
        pair_scores=text_to_image if reranks else None,
        pairs_at_once=together,
    )
    described = true_captions(dataset)
    i2t = rank_all(
        images.vectors,
        captions.vectors,
        described,
        at=dataset.relevance.image_totals if dataset.relevance is not None else None,
        rerank=k,
        pair_scores=image_to_text if reranks else None,
        pairs_at_once=together,
    )
    clean = view.inapplicable_images()
    of_clean = clean[[pair.sample for pair in pairs]]
    unchanged = view.unchanged_captions()
    untouched = np.array([unchanged[own].all() for own in described], dtype=bool) & unchanged.any()
    unscored = np.concatenate([view.inapplicable_captions() | of_clean, clean | untouched])
    scores = {"score": np.concatenate([t2i.first, i2t.first])}
    if judged:
        scores["map_at_r"] = np.concatenate([t2i.average_precision, i2t.average_precision])
        scores["r_precision"] = np.concatenate([t2i.r_precision, i2t.r_precision])
    groups = [sample.group for sample in dataset.samples]
    return pd.DataFrame(
        {
            "id": [pair.id for pair in pairs] + [sample.id for sample in dataset.samples],
            "group": [groups[pair.sample] for pair in pairs] + groups,
            "direction": ["t2i"] * len(pairs) + ["i2t"] * len(groups),
            **{name: np.where(unscored, np.nan, values) for name, values in scores.items()},
        }
    )


TASK = Task(
    name="retrieval",
    primary="t2i_r1",
    needs=(DUAL_ENCODER,),
    requires="captions",
    joint_input=False,
    score=score,
)
