"""What the bundled ALBEF and BLIP learn from: scenes with captions, questions and what stands where."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from mafs_bench.adapters.albef.images import normalise, squash
from mafs_bench.datasets.scenes import load
from mafs_bench.datasets.scenes.world import make_world
from mafs_bench.training.backbone_data import SceneTargets, scene_targets

SPLIT = "train"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_PUNCTUATION = ".,?!'-"

Item = TypeVar("Item")


@dataclass(frozen=True)
class Batch:
    """n scenes, each with one of its captions, one of its questions and one person's answer to it.

    pixels: float32 (n, 3, size, size). true: bool (n, n), caption j is true of image i. targets: what stands
    where.
    """

    pixels: torch.Tensor
    captions: list[str]
    true: torch.Tensor
    questions: list[str]
    answers: list[str]
    targets: SceneTargets


class SceneBatches:
    """The training split at one size, drawn once, with batches from a generator."""

    def __init__(self, size: int, rng: np.random.Generator, limit: int) -> None:
        """Draw the pictures (4 ms each). Only the first ``limit`` scenes are used."""
        dataset = load("", SPLIT, limit=limit)
        assert dataset.relevance is not None
        self._rng = rng
        self._samples = dataset.samples
        self._captions_a_scene = len(dataset.samples[0].captions)
        self._images_of = dataset.relevance.caption_images
        self._targets = scene_targets(make_world(SPLIT))
        self._pixels = np.stack([squash(sample.image.load(), size) for sample in dataset.samples])

    def __len__(self) -> int:
        return len(self._samples)

    def texts(self) -> Iterable[str]:
        """Every caption, question and answer."""
        for sample in self._samples:
            yield from sample.captions
            for question in sample.questions:
                yield question.text
                yield from question.answers

    def draw(self, n: int) -> Batch:
        """Draw n different scenes."""
        rows = np.sort(self._rng.choice(len(self), n, replace=False))
        which = self._rng.integers(self._captions_a_scene, size=n)
        captions = self._captions_a_scene * rows + which
        true = np.stack([np.isin(rows, self._images_of[caption]) for caption in captions], axis=1)
        asked = [self._pick(self._samples[row].questions) for row in rows]
        return Batch(
            pixels=torch.from_numpy(normalise(self._pixels[rows])),
            captions=[self._samples[row].captions[k] for row, k in zip(rows, which, strict=True)],
            true=torch.from_numpy(true),
            questions=[question.text for question in asked],
            answers=[self._pick(question.answers) for question in asked],
            targets=SceneTargets(self._targets.quarters[rows], self._targets.settings[rows]),
        )

    def _pick(self, items: Sequence[Item]) -> Item:
        return items[int(self._rng.integers(len(items)))]


def make_vocabulary(texts: Iterable[str]) -> list[str]:
    """A WordPiece vocabulary: special tokens, all words, and characters to spell what is misspelt."""
    words = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", text.lower()))
    characters = [*_PUNCTUATION, *_CHARACTERS, *(f"##{character}" for character in _CHARACTERS)]
    return [*SPECIAL, *characters, *sorted(words)]
