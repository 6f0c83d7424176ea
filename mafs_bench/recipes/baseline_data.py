"""Training data of the bundled ALBEF and BLIP: scenes with captions, questions and their exact contents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mafs_bench.adapters.albef.images import normalise, squash
from mafs_bench.datasets.scenes import load
from mafs_bench.datasets.scenes.captions import write_captions
from mafs_bench.datasets.scenes.world import (
    GROUP_FIELDS,
    SETTING_FIELDS,
    World,
    make_world,
    scenes_of,
)
from mafs_bench.recipes.backbone_data import claim_targets, scene_targets
from mafs_bench.types import Question

SPLIT = "train"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_PUNCTUATION = ".,?!'-"

QUESTIONS_A_SCENE = 2
_TILE = 128

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """n scenes, each with one of its captions and some of its questions, and one person's answer to each.

    states: float32 (n, tokens, width), of the image encoder. true: bool (n, n), caption j is true of image i. claims:
    what the captions claim. facts: ``scene_facts``. questions, answers: ``QUESTIONS_A_SCENE`` a scene, scene by scene.
    """

    states: torch.Tensor
    captions: list[str]
    true: torch.Tensor
    claims: torch.Tensor
    facts: torch.Tensor
    questions: list[str]
    answers: list[str]


class SceneBatches:
    """The training split at one size, drawn once, with batches from a generator."""

    def __init__(self, size: int, limit: int) -> None:
        """Draw the pictures (4 ms each). Only the first ``limit`` scenes are used."""
        dataset = load("", SPLIT, limit=limit)
        assert dataset.relevance is not None
        world = make_world(SPLIT)
        self._samples = dataset.samples
        self._captions_a_scene = len(dataset.samples[0].captions)
        self._images_of = dataset.relevance.caption_images
        self._claims = write_captions(scenes_of(world, limit), SPLIT)[1]
        self._quarters = scene_targets(world).quarters
        self._facts = scene_facts(world)
        self._states = torch.empty(0)
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

    def pictures(self, n: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw n different scenes, or all where there are fewer: pixels, what is in the quarters, ``scene_facts``."""
        rows = self._rows(n, rng)
        return self._pixels_of(rows), self._quarters[rows], self._facts[rows]

    def encode(self, see: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Run the image encoder, which is trained by now, over all pictures once: states that ``draw`` gives."""
        tiles = np.array_split(np.arange(len(self)), -(-len(self) // _TILE))
        with torch.no_grad():
            self._states = torch.cat([see(self._pixels_of(tile)).half() for tile in tiles])

    def captions(self, n: int, rng: np.random.Generator) -> tuple[list[str], torch.Tensor]:
        """Draw n different scenes, or all: a caption of each, and what it claims, as ``claim_targets``."""
        return self._captions_of(self._numbers(self._rows(n, rng), rng))

    def draw(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw n different scenes, or all; ``encode`` comes first."""
        rows = self._rows(n, rng)
        numbers = self._numbers(rows, rng)
        captions, claims = self._captions_of(numbers)
        asked = [question for row in rows for question in self._questions_of(row, rng)]
        return Batch(
            states=self._states[rows].float(),
            captions=captions,
            true=torch.from_numpy(
                np.stack([np.isin(rows, self._images_of[number]) for number in numbers], axis=1)
            ),
            claims=claims,
            facts=self._facts[rows],
            questions=[question.text for question in asked],
            answers=[question.answers[rng.integers(len(question.answers))] for question in asked],
        )

    def _rows(self, n: int, rng: np.random.Generator) -> Rows:
        return np.sort(rng.choice(len(self), min(n, len(self)), replace=False))

    def _numbers(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """One caption a scene, numbered through all scenes."""
        return self._captions_a_scene * rows + rng.integers(self._captions_a_scene, size=len(rows))

    def _pixels_of(self, rows: Rows) -> torch.Tensor:
        return torch.from_numpy(normalise(self._pixels[rows]))

    def _captions_of(self, numbers: Rows) -> tuple[list[str], torch.Tensor]:
        places = [divmod(int(number), self._captions_a_scene) for number in numbers]
        texts = [self._samples[row].captions[which] for row, which in places]
        return texts, claim_targets([self._claims[number] for number in numbers])

    def _questions_of(self, row: int, rng: np.random.Generator) -> list[Question]:
        questions = self._samples[row].questions
        return [questions[k] for k in rng.choice(len(questions), QUESTIONS_A_SCENE, replace=False)]


def scene_facts(world: World) -> torch.Tensor:
    """Which value of each field any group or the setting has, in the order of a claim's bits: float32 (n, 45)."""
    columns = []
    for field, names in enumerate(GROUP_FIELDS.values()):
        had = world.groups[:, :, field, None] == np.arange(len(names))
        columns.append((had & world.present[:, :, None]).any(axis=1))
    for field, names in enumerate(SETTING_FIELDS.values()):
        columns.append(world.settings[:, field, None] == np.arange(len(names)))
    return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))


def make_vocabulary(texts: Iterable[str]) -> list[str]:
    """A WordPiece vocabulary: special tokens, all words, and characters to spell what is misspelt."""
    words = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", text.lower()))
    characters = [*_PUNCTUATION, *_CHARACTERS, *(f"##{character}" for character in _CHARACTERS)]
    return [*SPECIAL, *characters, *sorted(words)]
