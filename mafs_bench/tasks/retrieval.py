"""Cross-modal retrieval: text to images and image to texts over the whole split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter
from mafs_bench.adapters.outputs import probabilities_of, scores_of
from mafs_bench.metrics.retrieval import RETRIEVAL_METRICS
from mafs_bench.tasks.base import (
    ImageBatch,
    Task,
    View,
    caption_pairs,
    images_as_pairs,
    missed,
    missed_ranks,
    reciprocal_rank,
    relevant_captions,
    true_captions,
)
from mafs_bench.tasks.columns import DIRECTION, KEYS, RANK
from mafs_bench.tasks.ranking import PAIRS_AT_ONCE, Index, PairScores, Ranked, rank_all
from mafs_bench.types import FloatArray


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """One row per query: id, group, direction ("t2i", "i2t"), score = rank of the first correct item.

    Where people judged which pairs are true, ``map_at_r`` and ``r_precision`` stand beside it.

    The gallery is always whole. Captions and images that the corruption cannot change are unscored as queries, and
    so are the captions of such images: what they look for is clean. Under a corruption of texts an image is a query
    only where a caption that is true of it changed.
    """
    dataset = view.dataset
    pairs = caption_pairs(dataset)
    images, captions = view.images(), view.captions()
    truth = relevant_captions(dataset)

    described = true_captions(dataset)
    judged = dataset.relevance is not None and dataset.relevance.image_totals is not None

    def rank(pair_scores: PairScores | None) -> tuple[Ranked, Ranked]:
        """Rank captions against images and images against captions; ``pair_scores`` takes (captions, images)."""
        k = 0 if pair_scores is None else adapter.rerank
        together = adapter.pairs_at_once or PAIRS_AT_ONCE
        swapped = None if pair_scores is None else lambda image, text: pair_scores(text, image)
        return rank_all(
            captions.vectors,
            images.vectors,
            truth,
            at=[len(items) for items in truth] if judged else None,
            pair_scores=pair_scores,
            rerank=k,
            pairs_at_once=together,
        ), rank_all(
            images.vectors,
            captions.vectors,
            described,
            at=dataset.relevance.image_totals if dataset.relevance is not None else None,
            pair_scores=swapped,
            rerank=k,
            pairs_at_once=together,
        )

    def of_towers(text: Index, image: Index) -> FloatArray:
        return scores_of(
            adapter.score_pairs(images.take(image), captions.take(text)), len(text), "score_pairs"
        )

    if adapter.supports("match_pairs"):
        asked = PairsAsked(len(images))
        rank(asked.note)
        t2i, i2t = rank(asked.read(adapter, view, captions.present))
    else:
        t2i, i2t = rank(of_towers if adapter.supports("score_pairs") else None)
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


@dataclass
class PairsAsked:
    """Pairs of captions and images that a model must read together, which costs: each once, image by image."""

    n_images: int
    _keys: list[Index] = field(default_factory=list)

    def note(self, text: Index, image: Index) -> FloatArray:
        """Remember aligned pairs of positions; the scores that this gives mean nothing."""
        self._keys.append(text * self.n_images + image)
        return np.zeros(len(text), dtype=np.float32)

    def read(self, adapter: Adapter, view: View, present: npt.NDArray[np.bool_]) -> PairScores:
        """Have the model read all remembered pairs; gives what looks their scores up.

        present: bool (n_captions,), captions that are there.
        """
        keys = np.unique(np.concatenate(self._keys)) if self._keys else np.empty(0, dtype=np.int64)
        words, scores = view.caption_texts(), np.zeros(len(keys), dtype=np.float32)
        for batch in view.image_batches():
            shown = np.flatnonzero(np.isin(keys % self.n_images, batch.rows))
            texts, places = keys[shown] // self.n_images, keys[shown] % self.n_images - batch.rows[0]
            there = np.stack([batch.present[places], present[texts]], axis=1)

            def run(
                part: slice,
                batch: ImageBatch = batch,
                texts: Index = texts,
                places: Index = places,
                there: npt.NDArray[np.bool_] = there,
            ) -> list[float]:
                images, asked = [batch.images[i] for i in places[part]], [words[i] for i in texts[part]]
                given = adapter.match_pairs(images, asked, there[part])
                found: list[float] = probabilities_of(given, len(asked), "match_pairs").tolist()
                return found

            scores[shown] = view.in_parts(len(shown), run)
        return lambda text, image: scores[np.searchsorted(keys, text * self.n_images + image)]


TASK = Task(
    name="retrieval",
    primary="t2i_r1",
    needs=(DUAL_ENCODER,),
    requires="captions",
    joint_input=False,
    score=score,
    metrics=RETRIEVAL_METRICS,
    columns=(*KEYS, DIRECTION, RANK),
    inputs=lambda dataset: [*caption_pairs(dataset), *images_as_pairs(dataset)],
    goodness=reciprocal_rank,
    wrong=missed,
    trace=missed_ranks,
)
