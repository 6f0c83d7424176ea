"""A subset of the samples of a data set, with the relevance among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from mafs_bench.types import Dataset, Relevance

Positions = npt.NDArray[np.int64]


def subset(dataset: Dataset, kept: Sequence[int]) -> Dataset:
    """The samples at the positions ``kept`` (ascending) as a data set, with positions renumbered.

    ``Relevance.image_totals``, which counts positives beyond the split, is unchanged.
    """
    samples = tuple(dataset.samples[i] for i in kept)
    return replace(dataset, samples=samples, relevance=_relevance(dataset, kept))


def _relevance(dataset: Dataset, kept: Sequence[int]) -> Relevance | None:
    whole = dataset.relevance
    if whole is None:
        return None
    starts = [0, *accumulate(len(sample.captions) for sample in dataset.samples)]
    captions = [k for i in kept for k in range(starts[i], starts[i + 1])]
    image_at, caption_at = _places(kept, len(dataset.samples)), _places(captions, starts[-1])
    return Relevance(
        _moved((whole.caption_images[k] for k in captions), image_at),
        None if whole.image_captions is None else _moved((whole.image_captions[i] for i in kept), caption_at),
        None if whole.image_totals is None else tuple(whole.image_totals[i] for i in kept),
    )


def _places(kept: Sequence[int], n: int) -> Positions:
    """The index of each of n positions in ``kept``; -1 if it is not in it."""
    places = np.full(n, -1, dtype=np.int64)
    places[list(kept)] = np.arange(len(kept))
    return places


def _moved(rows: Iterable[Positions], places: Positions) -> tuple[Positions, ...]:
    return tuple(moved[moved >= 0] for moved in (places[row] for row in rows))
