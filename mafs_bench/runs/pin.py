"""Which rows a task scores, and where each corruption applies: asked of the data set and the suite, of no model.

The tasks themselves say it: they score an adapter that gives every input the same answer. What such an adapter
leaves unscored, nobody can score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import Adapter, Answer, Caption, Embeddings, Fused
from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UsageError
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.encode import EncodedImages
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.tasks import get_task
from mafs_bench.types import Condition, Corruption, Dataset, FloatArray, Image, ImageSource

LIBRARY_SUITES = frozenset(
    {"core@1", "smoke@1", "boxes@1", "imagenet-c@1", "mm-robustness-2022@1", "mm-robustness-2022@2"}
)
"""Suites whose images depend on library versions: their content hashes are not pinned."""


@dataclass(frozen=True)
class PinnedRows:
    """frames: one per condition, null where it does not apply. content_hashes: empty for ``LIBRARY_SUITES``."""

    revision: str
    frames: Mapping[str, pd.DataFrame]
    content_hashes: Mapping[str, tuple[str, ...]]


def pin_rows(
    *,
    task: str,
    dataset: str,
    split: str,
    data_root: Path | None,
    limit: int | None,
    suite: str,
    corruptions: Sequence[str],
    severities: Sequence[int],
    seed: int,
    workers: int = 1,
) -> PinnedRows:
    """Score nothing under every condition. Raises ``MafsBenchError`` subclasses."""
    definition = suites.load(suite)
    chosen = [definition.corruptions[name] for name in corruptions]
    data = with_boxes(resolve(dataset, split, data_root, limit), chosen)
    if (reason := get_task(task).refuse_dataset(data)) is not None:
        raise UsageError(f"{task} on {data.name}: {reason}")
    hashed = definition.id not in LIBRARY_SUITES
    adapters: list[_SameVector] = [_SameAnswer(), *([_SameRawAnswer()] if hashed else [])]
    made = [_views(adapter, task, data, chosen, severities, seed, hashed, workers) for adapter in adapters]
    frames = {label: frame for label, (frame, _) in made[0].items()}
    hashes = {label: tuple(sorted({one[label][1] for one in made})) for label in frames} if hashed else {}
    return PinnedRows(data.revision, frames, hashes)


def _views(
    adapter: _SameVector,
    task: str,
    data: Dataset,
    corruptions: Sequence[Corruption],
    severities: Sequence[int],
    seed: int,
    hashed: bool,
    workers: int,
) -> dict[str, tuple[pd.DataFrame, str]]:
    """The frame and the content hash of every condition; where nothing is ``hashed``, no image is made."""
    make = Encoder if hashed else _ImagelessEncoder
    encoder = make(adapter, data, seed, batch_size=64, workers=workers)
    encoder.severities_left = lambda corruption: _graded(corruption, severities)
    made = {}
    cells = [(c, s) for c in corruptions for s in _graded(c, severities)]
    for corruption, severity in [(None, 0), *cells]:
        name, suite = (corruption.name, corruption.suite) if corruption else (None, "")
        condition = Condition(suite, name, severity, seed)
        parts = ConditionParts.of([(corruption, severity)] if corruption else [])
        view = ConditionView(encoder, condition, parts)
        frame = get_task(task).score(adapter, view)
        made[condition.label] = frame, view.content_hash() if hashed else ""
    return made


def _graded(corruption: Corruption, severities: Sequence[int]) -> tuple[int, ...]:
    """Those of the severities that a corruption has."""
    return tuple(severity for severity in severities if severity in corruption.severities)


class _SameVector(Adapter):
    """A model that encodes every input to the same vector."""

    name = "none"

    def encode_images(self, images: Sequence[Image]) -> FloatArray:
        """Float32 (n, 1): one."""
        return np.ones((len(images), 1), dtype=np.float32)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Float32 (n, 1): one."""
        return np.ones((len(texts), 1), dtype=np.float32)

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fuse to the same vector."""
        return Fused(np.ones((len(images), 1), dtype=np.float32))


class _SameAnswer(_SameVector):
    """It answers from embeddings."""

    def answer_embedded(
        self, images: Embeddings, texts: Embeddings, questions: Sequence[str]
    ) -> Sequence[Answer]:
        """One answer to all questions."""
        return [Answer("no", 0.0)] * len(questions)

    def caption_embedded(self, images: Embeddings, texts: Embeddings) -> Sequence[Caption]:
        """One caption for all images."""
        return [Caption("nothing")] * len(images)


class _SameRawAnswer(_SameVector):
    """It answers from images and texts themselves, which are recorded in another way."""

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> Sequence[Answer]:
        """One answer to all questions."""
        return [Answer("no", 0.0)] * len(questions)

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> Sequence[str]:
        """One caption for all images."""
        return ["nothing"] * len(images)


class _ImagelessEncoder(Encoder):
    """An encoder that makes no image: every one is readable and has the same vector."""

    def images(self, corruption: Corruption | None, severity: int) -> EncodedImages:
        return _no_images(len(self.dataset.samples))

    def encode_sources(self, sources: Sequence[ImageSource], ids: Sequence[str]) -> EncodedImages:
        return _no_images(len(sources))


def _no_images(n: int) -> EncodedImages:
    vectors = Embeddings(np.ones((n, 1), dtype=np.float32), np.ones(n, dtype=bool))
    return EncodedImages(vectors, np.zeros((n, 32), np.uint8), np.zeros(n))
