"""What a task is, and the view of a data set under one condition that the runner hands to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.tasks.ranking import invert
from mafs_bench.types import Corruption, Dataset, FloatArray, Image

T = TypeVar("T")
_TOUCHES = {"text_dropout": "text", "image_dropout": "image", "caption_mix": "text", "image_mix": "image"}
"""The one modality that a pair operator changes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One (image, text) input: the image's position in ``Dataset.samples`` and the text with its id.

    ``id`` keys the text's random stream (caption id or question id).
    """

    id: str
    sample: int
    text: str


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Corrupted inputs of consecutive pairs.

    rows: int64 (n,), positions in the list of pairs. present: bool (n, 2), image and text there.
    applicable: bool (n,), False where the corruption cannot change that pair's text or its image.
    """

    rows: npt.NDArray[np.int64]
    images: Sequence[Image]
    texts: Sequence[str]
    present: npt.NDArray[np.bool_]
    applicable: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairInputs:
    """What a model is given of some pairs. present: bool (n, 2), image and text there."""

    images: Sequence[Image]
    texts: Sequence[str]
    present: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Corrupted images of consecutive samples. rows: int64 (n,), their positions. present: bool (n,)."""

    rows: npt.NDArray[np.int64]
    images: Sequence[Image]
    present: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairEmbeddings:
    """Encoded pairs: images and texts row by row; applicable as in ``PairBatch``.

    image_from, text_from: int64 (n,), the positions of the pairs whose image and text each pair holds (its own
    where not shuffled).
    words: the texts themselves, "" where missing.
    """

    images: Embeddings
    texts: Embeddings
    applicable: npt.NDArray[np.bool_]
    image_from: npt.NDArray[np.int64]
    text_from: npt.NDArray[np.int64]
    words: Sequence[str]


class Judge(Protocol):
    """A dual encoder that looks at what a captioner wrote, and at the images as they are."""

    def images(self) -> FloatArray:
        """Unit vectors of all clean images, float32 (n_samples, d)."""

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of texts, float32 (n, d)."""


class View(Protocol):
    """One condition of a data set. What a corruption leaves untouched is encoded once a run."""

    @property
    def dataset(self) -> Dataset:
        """The split that is scored."""

    @property
    def seed(self) -> int:
        """The run's seed."""

    @property
    def judge(self) -> Judge | None:
        """Who judges captions for CLIPScore, where one was named."""

    def images(self) -> Embeddings:
        """All images, corrupted: one row per sample; ``present`` False where missing."""

    def captions(self) -> Embeddings:
        """All captions, corrupted: numbered through, sample by sample."""

    def clean_captions(self) -> Embeddings:
        """All captions as they are."""

    def inapplicable_images(self) -> npt.NDArray[np.bool_]:
        """bool (n_samples,): images that the corruption cannot change."""

    def inapplicable_captions(self) -> npt.NDArray[np.bool_]:
        """bool (n_captions,): captions that the corruption cannot change."""

    def unchanged_captions(self) -> npt.NDArray[np.bool_]:
        """bool (n_captions,): captions that a text corruption left as they were; none where there is no such."""

    def pair_embeddings(self, pairs: Sequence[Pair]) -> PairEmbeddings:
        """Encode pairs as inputs that belong together (dropout and misalignment act on them)."""

    def pair_batches(self, pairs: Sequence[Pair]) -> Iterator[PairBatch]:
        """Give the corrupted raw inputs of pairs, for models that read image and text together."""

    def image_batches(self) -> Iterator[ImageBatch]:
        """Give the images of ``images()`` themselves, in order."""

    def caption_texts(self) -> Sequence[str]:
        """The texts of ``captions()``, "" where missing."""

    def in_parts(self, n: int, run: Callable[[slice], Sequence[T]]) -> list[T]:
        """What ``run`` gives for n rows, a batch at a time; out of memory halves the batch once, for good."""


def ask(view: View, pairs: Sequence[Pair], put: Callable[[PairInputs], Sequence[T]]) -> list[T | None]:
    """What a model that reads image and text together says of pairs; None where the corruption cannot change one."""
    said: list[T | None] = [None] * len(pairs)
    for batch in view.pair_batches(pairs):

        def run(part: slice, batch: PairBatch = batch) -> Sequence[T]:
            return put(PairInputs(batch.images[part], batch.texts[part], batch.present[part]))

        given = view.in_parts(len(batch.rows), run)
        for row, one, applicable in zip(batch.rows, given, batch.applicable, strict=True):
            said[row] = one if applicable else None
    return said


def _no_notes(dataset: Dataset, limit: int | None) -> Sequence[str]:
    return ()


def _askable(dataset: Dataset) -> str | None:
    return None


def _no_remark(frame: pd.DataFrame, dataset: Dataset) -> str:
    return ""


@dataclass(frozen=True)
class Task:
    """A task: what it needs of an adapter and a data set, and how it scores a view.

    needs: alternatives of capabilities (see ``Adapter``), any one of which suffices. reads: the modalities of
    its input. joint_input: whether image and text are given together (misalignment applies). requires: which field of
    ``Sample`` must be there ("captions", "questions"). on_request: only run where it is asked for by name.
    notes: what a reader of its numbers must know of a data set, given the run's ``--limit``. remark: what one must
    know of a frame, "" for nothing. refuse: why it cannot be asked on a data set that has what it ``requires``.
    """

    name: str
    primary: str
    needs: tuple[frozenset[str], ...]
    requires: str
    joint_input: bool
    score: Callable[[Adapter, View], pd.DataFrame]
    reads: frozenset[str] = frozenset({"image", "text"})
    on_request: bool = False
    notes: Callable[[Dataset, int | None], Sequence[str]] = _no_notes
    remark: Callable[[pd.DataFrame, Dataset], str] = _no_remark
    refuse: Callable[[Dataset], str | None] = _askable

    def refuse_adapter(self, capabilities: frozenset[str]) -> str | None:
        """Why an adapter with these capabilities cannot do it, or None."""
        if any(need <= capabilities for need in self.needs):
            return None
        wanted = " or ".join(" and ".join(sorted(need)) for need in self.needs)
        return f"the model does not implement {wanted}"

    def refuse_dataset(self, dataset: Dataset) -> str | None:
        """Why it cannot be asked on that data set, or None."""
        if any(getattr(sample, self.requires) for sample in dataset.samples):
            return self.refuse(dataset)
        return f"{dataset.name} has no {self.requires}"

    def refuse_corruption(self, corruption: Corruption) -> str | None:
        """Why that corruption does not apply, or None."""
        if corruption.modality == "pair":
            if corruption.family == "misalignment" and not self.joint_input:
                return f"{corruption.name} needs image and text together in the input"
            touched = _TOUCHES.get(corruption.operator)
            return f"its input has no {touched}" if touched and touched not in self.reads else None
        if corruption.modality not in self.reads:
            return f"its input has no {corruption.modality}"
        return None


def caption_pairs(dataset: Dataset) -> list[Pair]:
    """Every (image, caption) pair of a data set, numbered through."""
    return [
        Pair(sample.caption_id(k), position, caption)
        for position, sample in enumerate(dataset.samples)
        for k, caption in enumerate(sample.captions)
    ]


def same_text(text: str) -> str:
    """What two captions share that are the same text: all but the blanks around it and the case."""
    return text.strip().casefold()


def relevant_captions(dataset: Dataset) -> list[npt.NDArray[np.int64]]:
    """For each caption the sorted positions of the images of which it is true.

    Equal texts are the same caption: what is true of one image is true of the other's. Only where people judged the
    pairs does their word stand alone.
    """
    relevance = dataset.relevance
    pairs = caption_pairs(dataset)
    truth = [np.array([pair.sample]) for pair in pairs] if relevance is None else [*relevance.caption_images]
    if relevance is not None and (relevance.image_captions is not None or relevance.image_totals is not None):
        return truth
    captions: dict[str, list[int]] = {}
    for k, pair in enumerate(pairs):
        captions.setdefault(same_text(pair.text), []).append(k)
    for equal in captions.values():
        if len(equal) > 1:
            images = np.unique(np.concatenate([truth[k] for k in equal]))
            for k in equal:
                truth[k] = images
    return truth


def true_captions(dataset: Dataset) -> list[npt.NDArray[np.int64]]:
    """For each image the sorted positions of the captions that are true of it."""
    if dataset.relevance is not None and dataset.relevance.image_captions is not None:
        return list(dataset.relevance.image_captions)
    return invert(relevant_captions(dataset), len(dataset.samples))
