"""A data set of samples in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mafs_bench.datasets.images import FileImage
from mafs_bench.datasets.vqav2 import most_common_answers
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset, Image, ImageSource, Question, Sample

_KEYS = ("image", "captions", "questions", "id", "group")


@dataclass(frozen=True, slots=True)
class ArrayImage:
    """An image in memory (an ``ImageSource``)."""

    name: str
    array: Image = field(compare=False)

    def load(self) -> Image:
        """The array: uint8 RGB (H, W, 3)."""
        return self.array


def dataset_of(items: Sequence[Sample | Mapping[str, object]]) -> Dataset:
    """Make a data set from samples, or from mappings with ``image``, ``captions``, ``questions``, ``id``, ``group``.

    image: uint8 RGB (H, W, 3), a path, or an ``ImageSource``. captions: texts. questions: ``Question`` objects or
    mappings with ``text`` and ``answers``. id: defaults to the position. Raises ``DataError`` with the item and the
    fault.
    """
    samples = tuple(
        item if isinstance(item, Sample) else _sample(item, number) for number, item in enumerate(items)
    )
    if not samples:
        raise DataError("no samples; allowed: at least one")
    ids = [sample.id for sample in samples]
    if len(set(ids)) < len(ids):
        twice = next(name for number, name in enumerate(ids) if name in ids[:number])
        raise DataError(f"two samples have the id {twice!r}")
    return Dataset(
        name="samples",
        split="all",
        revision=_revision(samples),
        licence="",
        citation="",
        samples=samples,
        answer_vocabulary=most_common_answers(q.answers for s in samples for q in s.questions),
    )


def _sample(item: Mapping[str, object], number: int) -> Sample:
    name = f"sample {number}"
    for key in item:
        if key not in _KEYS:
            raise DataError(f"{name}: unknown key {key!r}; allowed: {', '.join(_KEYS)}")
    if "image" not in item:
        raise DataError(f"{name} has no image")
    identity = str(item.get("id", number))
    captions, questions = item.get("captions", ()), item.get("questions", ())
    if isinstance(captions, str) or not isinstance(captions, Sequence):
        raise DataError(f"{name}: captions = {captions!r}; allowed: a list of texts")
    if isinstance(questions, str) or not isinstance(questions, Sequence):
        raise DataError(f"{name}: questions = {questions!r}; allowed: a list of questions")
    return Sample(
        id=identity,
        group=str(item.get("group", identity)),
        image=_image(item["image"], f"image of {name}"),
        captions=tuple(str(caption) for caption in captions),
        questions=tuple(_question(q, f"{identity}?{k}", name) for k, q in enumerate(questions)),
    )


def _image(image: object, name: str) -> ImageSource:
    if isinstance(image, str | Path):
        return FileImage(str(image))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(f"{name}: {image.dtype} {image.shape}; allowed: uint8 (height, width, 3)")
        return ArrayImage(name, image)
    raise DataError(f"{name}: {type(image).__name__}; allowed: a uint8 array (height, width, 3) or a path")


def _question(question: object, identity: str, name: str) -> Question:
    if isinstance(question, Question):
        return question
    if not isinstance(question, Mapping) or not {"text", "answers"} <= set(question):
        raise DataError(f"{name}: question {question!r}; allowed: a mapping with text and answers")
    answers = question["answers"]
    listed = [answers] if isinstance(answers, str) else list(answers)
    return Question(str(question.get("id", identity)), str(question["text"]), tuple(map(str, listed)))


def _revision(samples: Sequence[Sample]) -> str:
    """SHA-256 of ids, texts and pixels."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(repr((sample.id, sample.group, sample.captions, sample.questions)).encode())
        pixels = sample.image.load()
        digest.update(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
