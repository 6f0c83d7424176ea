"""Images that are a number, captions that name it, and a model that reads it: every score is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mafs_bench.adapters.base import Adapter, Answer
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.types import Condition, Corruption, Dataset, Image, Question, Relevance, Sample


@dataclass(frozen=True)
class Flat:
    """An image of one grey level: its number."""

    level: int

    @property
    def name(self) -> str:
        return f"flat {self.level}"

    def load(self) -> Image:
        return np.full((32, 32, 3), self.level, dtype=np.uint8)


class Reader(Adapter):
    """Reads the number off a flat image and answers with it."""

    name = "reader"
    dimensions = 128

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary

    def answer(self, images: Sequence[Image], questions: Sequence[str], present: np.ndarray) -> list[Answer]:
        return [
            Answer(str(image[0, 0, 0]), 0.75, {"length": len(q)})
            for image, q in zip(images, questions, strict=True)
        ]

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
        return [f"a scene with number {image[0, 0, 0]}" for image in images]

    def encode_images(self, images: Sequence[Image]) -> np.ndarray:
        return np.eye(self.dimensions, dtype=np.float32)[[int(image[0, 0, 0]) for image in images]]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(self.dimensions, dtype=np.float32)[
            [
                int(text.split()[-1]) if text.split()[-1:] and text.split()[-1].isdigit() else 0
                for text in texts
            ]
        ]


def numbers(n: int, relevance: Relevance | None = None) -> Dataset:
    samples = tuple(
        Sample(
            str(i),
            str(i),
            Flat(i),
            (f"a scene with number {i}", f"number {i}"),
            (Question(f"q{i}", "which number", tuple([str(i)] * 9 + ["none"]), answer_type="number"),),
        )
        for i in range(n)
    )
    return Dataset("numbers", "test", "0", "", "", samples, relevance, tuple(map(str, range(n))))


def view_of(
    dataset: Dataset, adapter: Adapter, corruption: Corruption | None = None, severity: int = 0
) -> ConditionView:
    encoder = Encoder(adapter, dataset, seed=0, batch_size=7, workers=0)
    parts = ConditionParts.of([] if corruption is None else [(corruption, severity)])
    name = None if corruption is None else corruption.name
    return ConditionView(encoder, Condition("test", name, severity, 0), parts)
