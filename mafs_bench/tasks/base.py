"""What a task is, and the view of a data set under one condition that the runner hands to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions.base import PairOperator
from mafs_bench.errors import UnknownNameError
from mafs_bench.tasks.columns import ScoreColumn
from mafs_bench.tasks.ranking import invert
from mafs_bench.types import Corruption, Dataset, FloatArray, Image, Metric, row_keys

S = TypeVar("S")
T = TypeVar("T")
Array = npt.NDArray[np.float64]


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
    orders: int64 (n,), the draw that decides the order of a question's options; -1: as they are.
    """

    rows: npt.NDArray[np.int64]
    images: Sequence[Image]
    texts: Sequence[str]
    present: npt.NDArray[np.bool_]
    applicable: npt.NDArray[np.bool_]
    orders: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairInputs:
    """What a model is given of some pairs; as in ``PairBatch``."""

    images: Sequence[Image]
    texts: Sequence[str]
    present: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64]
    orders: npt.NDArray[np.int64]


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


def ask(
    view: View, pairs: Sequence[Pair], put: Callable[[PairInputs], Sequence[T]], at_once: int = 1
) -> list[T | None]:
    """What a model that reads image and text together says of pairs; None where the corruption cannot change one.

    at_once: how many batches ``put`` may get at the same time.
    """

    def answers(batch: PairBatch) -> list[tuple[int, T]]:
        asked = np.flatnonzero(batch.applicable)

        def run(part: slice) -> Sequence[T]:
            chosen = asked[part]
            images, texts = [batch.images[i] for i in chosen], [batch.texts[i] for i in chosen]
            return put(
                PairInputs(images, texts, batch.present[chosen], batch.rows[chosen], batch.orders[chosen])
            )

        given = view.in_parts(len(asked), run)
        return list(zip(batch.rows[asked].tolist(), given, strict=True))

    said: list[T | None] = [None] * len(pairs)
    for given in in_order(answers, view.pair_batches(pairs), at_once):
        for row, one in given:
            said[row] = one
    return said


def in_order(call: Callable[[S], T], items: Iterable[S], at_once: int) -> Iterator[T]:
    """``call`` of each item, in order; in threads where more than one may run at once, and never further ahead."""
    if at_once == 1:
        yield from map(call, items)
        return
    threads = ThreadPoolExecutor(at_once)
    begun: deque[Future[T]] = deque()
    try:
        for item in items:
            begun.append(threads.submit(call, item))
            while begun and (len(begun) == at_once or begun[0].done()):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _no_notes(dataset: Dataset, limit: int | None) -> Sequence[str]:
    return ()


def _askable(dataset: Dataset) -> str | None:
    return None


def _no_remark(frame: pd.DataFrame, dataset: Dataset) -> str:
    return ""


def score_of(frame: pd.DataFrame) -> Array:
    """The column ``score``, float64 (n,), NaN where unscored."""
    return frame["score"].to_numpy(dtype=np.float64)


def reciprocal_rank(frame: pd.DataFrame) -> Array:
    """1 / rank, for scores that are ranks."""
    return 1 / score_of(frame)


def missed(frame: pd.DataFrame) -> Array:
    """For scores that are ranks: 1 where another item than a correct one came first, NaN where unscored."""
    return flags(score_of(frame), score_of(frame) > 1)


def flags(values: Array, bad: npt.NDArray[np.bool_]) -> Array:
    """1.0 where ``bad``, else 0.0, and NaN where the value is."""
    return np.where(np.isnan(values), np.nan, bad.astype(np.float64))


def missed_ranks(frame: pd.DataFrame) -> Array:
    """The ranks above 1, NaN elsewhere."""
    values = score_of(frame)
    return np.where(values > 1, values, np.nan)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: what it needs of an adapter and a data set, how it scores a view, and what its scores mean.

    metrics: of its per-sample scores; primary names the one that is reported first. columns: those that the metrics
    read. inputs: the (image, text) inputs by the ids of its rows; images alone have the text "".
    goodness: float64 (n,) of a frame, higher is better, to find the rows that lost most. wrong: 1 where the model gets
    a row wrong, else 0. trace: numbers that two models hardly share, NaN elsewhere. Both say whether two sets of
    scores are of one model. answers: what the model said, normalised so that equal answers are equal texts; None where
    answers cannot be compared (captions, ranks). alone: whether a sample is scored without regard to the
    others; but_not: metrics of such a task of which that is not true.
    needs: alternatives of capabilities (see ``Adapter``), any one of which suffices. reads: the modalities of
    its input. joint_input: whether image and text are given together (misalignment applies). requires: which field of
    ``Sample`` must be there ("captions", "questions"). on_request: only run where it is asked for by name.
    notes: what a reader of its numbers must know of a data set, given the run's ``--limit``. remark: what one must
    know of a frame, "" for nothing. refuse: why it cannot be asked on a data set that has what it ``requires``.
    writes_captions: whether CLIPScore can judge what the model wrote.
    """

    name: str
    primary: str
    metrics: tuple[Metric, ...]
    columns: tuple[ScoreColumn, ...]
    inputs: Callable[[Dataset], Sequence[Pair]]
    wrong: Callable[[pd.DataFrame], Array]
    trace: Callable[[pd.DataFrame], Array] = score_of
    goodness: Callable[[pd.DataFrame], Array] = score_of
    answers: Callable[[pd.DataFrame], Sequence[str]] | None = None
    alone: bool = False
    but_not: frozenset[str] = frozenset()
    writes_captions: bool = False
    needs: tuple[frozenset[str], ...]
    requires: str
    joint_input: bool
    score: Callable[[Adapter, View], pd.DataFrame]
    reads: frozenset[str] = frozenset({"image", "text"})
    on_request: bool = False
    notes: Callable[[Dataset, int | None], Sequence[str]] = _no_notes
    remark: Callable[[pd.DataFrame, Dataset], str] = _no_remark
    refuse: Callable[[Dataset], str | None] = _askable

    @property
    def row_keys(self) -> list[str]:
        """The columns that together name a row of its scores."""
        return row_keys(column.name for column in self.columns)

    @property
    def primary_metric(self) -> Metric:
        """The metric that is reported first."""
        return self.metric(self.primary)

    def metric(self, name: str) -> Metric:
        """The metric of that name. Raises ``UnknownNameError``."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise UnknownNameError(f"metric of {self.name}", name, [metric.name for metric in self.metrics])

    def depends_on_gallery(self, metric: str) -> bool:
        """Whether a sample's score by that metric depends on which other samples the run has."""
        return not self.alone or metric in self.but_not

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
            operator = OPERATORS.get(corruption.operator)
            touched = operator.touches if isinstance(operator, PairOperator) else ""
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


def images_as_pairs(dataset: Dataset) -> list[Pair]:
    """Every image, without a text."""
    return [Pair(sample.id, position, "") for position, sample in enumerate(dataset.samples)]


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
