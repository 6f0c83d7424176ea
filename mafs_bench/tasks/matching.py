"""Matching: does this caption belong to this image? Half of the pairs are mismatched.

Every image stands in two pairs: with one caption of its own, and with one of another image that is not true of
it. Which ones is decided by a keyed draw that depends on the image ids alone, so that all models, conditions
and seeds are asked the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter, Embeddings
from mafs_bench.adapters.outputs import probabilities_of, scores_of
from mafs_bench.metrics.matching import MATCHING_METRICS
from mafs_bench.seeding import key
from mafs_bench.tasks.base import (
    Array,
    Pair,
    PairInputs,
    Task,
    View,
    ask,
    flags,
    relevant_captions,
    same_text,
    score_of,
)
from mafs_bench.tasks.columns import CONFIDENCE, KEYS, ScoreColumn
from mafs_bench.tasks.ranking import PAIRS_AT_ONCE
from mafs_bench.types import Dataset, FloatArray


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """One row per pair: id, group (the image's), score, label (1 matched, 0 not), confidence, margin.

    score: the match probability of a model that reads both together, else that of two towers, else their pair
    score, else the dot product. confidence: the match probability, NaN where the adapter gives none. margin, on
    matched rows: their score minus that of the image's mismatched pair. Pairs that the corruption cannot change are
    unscored.
    """
    pairs, label = matching_pairs(view.dataset)
    if adapter.supports("match_pairs"):
        return _read_together(adapter, view, pairs, label)
    inputs = view.pair_embeddings(pairs)
    scores = _scores(adapter, inputs.images, inputs.texts)
    scores[~inputs.applicable] = np.nan
    probable = adapter.supports("match_probabilities")
    return pd.DataFrame(
        {
            "id": [pair.id for pair in pairs],
            "group": [view.dataset.samples[pair.sample].group for pair in pairs],
            "score": scores,
            "label": label,
            "confidence": scores if probable else np.full(len(pairs), np.nan),
            "margin": _margins(pairs, label, scores),
        }
    )


def matching_pairs(dataset: Dataset) -> tuple[list[Pair], npt.NDArray[np.int64]]:
    """The pairs with their labels: all matched ones, then the mismatched ones.

    An image for which no other image has an untrue caption has no mismatched pair.
    """
    captioned = [i for i, sample in enumerate(dataset.samples) if sample.captions]
    chosen = {i: i % len(dataset.samples[i].captions) for i in captioned}
    matched = [_pair(dataset, i, i, chosen[i]) for i in captioned]
    partners = foreign_partners(dataset, captioned, chosen)
    mismatched = [_pair(dataset, i, j, chosen[j]) for i, j in partners.items()]
    return matched + mismatched, np.repeat([1, 0], [len(matched), len(mismatched)])


def foreign_partners(dataset: Dataset, positions: Sequence[int], chosen: dict[int, int]) -> dict[int, int]:
    """For each image another one, of another group, whose chosen caption is not true of it, nor a text of its own.

    Each caption serves once: the images are laid out in the keyed order and each takes the next one's; where
    that caption is true of the image too, two images swap.
    """
    truth = relevant_captions(dataset)
    first = np.cumsum([0, *(len(sample.captions) for sample in dataset.samples)])
    group = [sample.group for sample in dataset.samples]
    texts = {i: same_text(dataset.samples[i].captions[chosen[i]]) for i in positions}
    own = {i: {same_text(caption) for caption in dataset.samples[i].captions} for i in positions}

    def allowed(image: int, owner: int) -> bool:
        true = texts[owner] in own[image] or image in truth[first[owner] + chosen[owner]]
        return group[image] != group[owner] and not true

    order = sorted(positions, key=lambda i: key(0, "matching", "partner", dataset.samples[i].id))
    partner = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    for image in order:
        if allowed(image, partner[image]):
            continue
        for other in order:
            if allowed(image, partner[other]) and allowed(other, partner[image]):
                partner[image], partner[other] = partner[other], partner[image]
                break
    return {image: partner[image] for image in positions if allowed(image, partner[image])}


def _pair(dataset: Dataset, image: int, owner: int, caption: int) -> Pair:
    sample, text_of = dataset.samples[image], dataset.samples[owner]
    return Pair(f"{sample.id}|{text_of.caption_id(caption)}", image, text_of.captions[caption])


def _read_together(
    adapter: Adapter, view: View, pairs: Sequence[Pair], label: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """``score`` of a model that reads image and text together. Pairs it gives no answer to are judged wrongly.

    Where matches are stated as 1 or 0, ``score`` and ``confidence`` are NaN: such answers have no ROC curve.
    """

    def match(inputs: PairInputs) -> list[float]:
        given = adapter.match_pairs(inputs.images, inputs.texts, inputs.present)
        unanswered = np.isnan(given) if adapter.served else np.zeros(len(given), dtype=bool)
        found = probabilities_of(np.where(unanswered, np.float32(0), given), len(given), "match_pairs")
        return [np.nan if missing else one for missing, one in zip(unanswered, found.tolist(), strict=True)]

    said = ask(view, pairs, match, adapter.batches_at_once)
    given = np.array([np.nan if one is None else one for one in said], dtype=np.float32)
    unanswered = np.array([one is not None and np.isnan(one) for one in said], dtype=bool)
    scores = np.where(unanswered, (1 - label).astype(np.float32), given)
    nothing = np.full(len(pairs), np.nan, dtype=np.float32)
    columns = {
        "id": [pair.id for pair in pairs],
        "group": [view.dataset.samples[pair.sample].group for pair in pairs],
        "score": nothing if adapter.states_matches else scores,
        "label": label,
        "confidence": nothing if adapter.states_matches else np.where(unanswered, np.nan, given),
        "margin": _margins(pairs, label, scores),
    }
    return pd.DataFrame({**columns, "unanswered": unanswered} if adapter.served else columns)


def _scores(adapter: Adapter, images: Embeddings, texts: Embeddings) -> FloatArray:
    """(n,) float32, block by block."""
    if adapter.supports("match_probabilities"):
        name, scorer, checked = "match_probabilities", adapter.match_probabilities, probabilities_of
    elif adapter.supports("score_pairs"):
        name, scorer, checked = "score_pairs", adapter.score_pairs, scores_of
    else:
        return np.asarray(np.einsum("nd,nd->n", images.vectors, texts.vectors), dtype=np.float32)
    blocks = np.array_split(np.arange(len(images)), -(-len(images) // PAIRS_AT_ONCE))
    return np.concatenate(
        [checked(scorer(images.take(block), texts.take(block)), len(block), name) for block in blocks]
    )


def _margins(pairs: Sequence[Pair], label: npt.NDArray[np.int64], scores: FloatArray) -> FloatArray:
    """(n,): score of a matched row minus that of the image's mismatched row; NaN on mismatched rows."""
    foreign = {pair.sample: scores[i] for i, pair in enumerate(pairs) if not label[i]}
    margins = [
        scores[i] - foreign.get(pair.sample, np.nan) if label[i] else np.nan for i, pair in enumerate(pairs)
    ]
    return np.array(margins, dtype=np.float32)


def _towards_label(frame: pd.DataFrame) -> Array:
    """The score, negated for a mismatched pair."""
    sign: Array = 2 * frame["label"].to_numpy(dtype=np.float64) - 1
    return score_of(frame) * sign


def _ordered_wrongly(frame: pd.DataFrame) -> Array:
    """1 where the image's mismatched pair has the higher score, NaN where either is unscored."""
    margin = frame["margin"].to_numpy(dtype=np.float64)
    return flags(margin, margin < 0)


TASK = Task(
    name="matching",
    primary="auroc",
    needs=(DUAL_ENCODER, frozenset({"match_pairs"})),
    requires="captions",
    joint_input=True,
    score=score,
    metrics=MATCHING_METRICS,
    columns=(
        *KEYS,
        ScoreColumn("label", (0, 1), whole=True, fixed=True, nullable=False),
        ScoreColumn("score", (-1e6, 1e6)),
        CONFIDENCE,
        ScoreColumn("margin", (-2e6, 2e6)),
    ),
    inputs=lambda dataset: matching_pairs(dataset)[0],
    goodness=_towards_label,
    wrong=_ordered_wrongly,
)
