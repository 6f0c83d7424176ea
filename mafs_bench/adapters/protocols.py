"""What a model can do, as protocols. An adapter implements those that it can; nothing else is asked of it.

Images come as uint8 RGB arrays (H, W, 3) of any size, texts as str. A missing image arrives as a grey
picture and a missing text as "", with ``present`` False in ``Embeddings``: what an adapter makes of that
is its declared ``missing`` convention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from mafs_bench.types import FloatArray, Image


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run a model: device ("cpu", "cuda", "cuda:1", "mps"), precision ("fp32", "bf16", "fp16").

    compile: its image encoder goes through ``torch.compile`` first.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int = 64
    compile: bool = False


@dataclass(frozen=True, slots=True)
class Embeddings:
    """n encoded items.

    vectors: float32 (n, d), unit length. present: bool (n,), False where the modality was missing.
    signals: float32 (n,) each, what a fusion may read beside the vectors (e.g. token entropy).
    states: arrays (n, …) that a ``PairScorer`` needs again (e.g. token states and masks).
    """

    vectors: FloatArray
    present: npt.NDArray[np.bool_]
    signals: Mapping[str, FloatArray] = field(default_factory=dict)
    states: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, index: npt.NDArray[np.int64]) -> Embeddings:
        """The items at these positions, in this order, repeats allowed."""
        return Embeddings(
            self.vectors[index],
            self.present[index],
            {name: values[index] for name, values in self.signals.items()},
            {name: values[index] for name, values in self.states.items()},
        )


@dataclass(frozen=True, slots=True)
class Fused:
    """Fused queries: vectors float32 (n, d), unit; diagnostics float32 (n,) each (``alpha_image`` …)."""

    vectors: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with the model's confidence in it, in [0, 1]; diagnostics are stored beside the score."""

    text: str
    confidence: float
    diagnostics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption; diagnostics are stored beside its score."""

    text: str
    diagnostics: Mapping[str, float] = field(default_factory=dict)


class Adapter(Protocol):
    """What every adapter says of itself.

    weights: SHA-256 of the weights (or of the source, for a model without). missing: convention a modality,
    e.g. {"image": "blank", "text": "empty"} or {"image": "masked", …}. domain: the visual domain it was made
    for ("scenes", "photo", "" for any). An adapter whose class has a method that its weights do not support may
    say so in ``lacks``: protocol to reason. Adapters that encode alike and differ in what comes after may name what
    they share in ``encoder``, and have ``--cache`` share its rows; see ``adapters.fused``.
    """

    name: str
    weights: str
    missing: Mapping[str, str]
    domain: str


@runtime_checkable
class DualEncoder(Protocol):
    """Encodes images and texts apart into one space; similarity is the dot product."""

    def encode_images(self, images: Sequence[Image]) -> FloatArray | Embeddings:
        """(n, d) float32, unit length."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray | Embeddings:
        """(n, d) float32, unit length."""


@runtime_checkable
class PixelEncoder(Protocol):
    """A dual encoder whose preprocessing runs in worker processes.

    ``preprocess`` is picklable and turns one image into an array of fixed shape; ``encode_pixels`` takes a
    stack of those. An adapter may have ``start_pixels`` beside it, which begins the same work and gives back
    what waits for its result: an accelerator then runs one batch while the host prepares the next.
    """

    preprocess: Callable[[Image], npt.NDArray[Any]]

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> FloatArray | Embeddings:
        """(n, …) stacked preprocessed images to (n, d) float32, unit length."""


def start_pixels(adapter: Any, pixels: npt.NDArray[Any]) -> Callable[[], FloatArray | Embeddings]:
    """Begin to encode preprocessed images; an adapter without ``start_pixels`` has done it all by then."""
    if hasattr(adapter, "start_pixels"):
        begun: Callable[[], FloatArray | Embeddings] = adapter.start_pixels(pixels)
        return begun
    encoded = adapter.encode_pixels(pixels)
    return lambda: encoded


@runtime_checkable
class PairScorer(Protocol):
    """Scores aligned pairs (image i, text i); higher is a better match.

    In retrieval the ``rerank`` best candidates of each query by dot product are put in the order of this
    score, before all others (as ALBEF and BLIP do).
    """

    rerank: int

    def score_pairs(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """(n,) float32."""


@runtime_checkable
class PairMatcher(Protocol):
    """Says how probable it is that aligned pairs (image i, text i) belong together.

    An image-text matching head, or the sigmoid of a similarity that was trained for it (SigLIP).
    """

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """(n,) float32 in [0, 1]."""


@runtime_checkable
class FusedEncoder(Protocol):
    """Fuses aligned pairs into one query in the space of the dual encoder."""

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """n pairs to n unit vectors, with diagnostics."""


@runtime_checkable
class Answerer(Protocol):
    """Answers questions on images."""

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Be told once which answers are in question; a generating model may ignore them."""

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> Sequence[Answer]:
        """One answer a pair. ``present`` is bool (n, 2): image there, question there."""


@runtime_checkable
class EmbeddingAnswerer(Protocol):
    """An answerer that needs no more of an image than its embedding: images are encoded once for all tasks."""

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Be told once which answers are in question."""

    def answer_embedded(
        self, images: Embeddings, texts: Embeddings, questions: Sequence[str]
    ) -> Sequence[Answer]:
        """One answer a pair; ``texts`` are the embedded ``questions`` ("" where missing)."""


@runtime_checkable
class Captioner(Protocol):
    """Describes images; ``contexts`` are texts given beside them ("" for none)."""

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> Sequence[str]:
        """One caption an image."""


@runtime_checkable
class EmbeddingCaptioner(Protocol):
    """A captioner that needs no more of an image than its embedding: images are encoded once for all tasks."""

    def caption_embedded(self, images: Embeddings, texts: Embeddings) -> Sequence[Caption]:
        """One caption an image; ``texts`` are embedded contexts, ``present`` False where there is none."""


PROTOCOLS: dict[str, type] = {
    "DualEncoder": DualEncoder,
    "PixelEncoder": PixelEncoder,
    "PairScorer": PairScorer,
    "PairMatcher": PairMatcher,
    "FusedEncoder": FusedEncoder,
    "Answerer": Answerer,
    "EmbeddingAnswerer": EmbeddingAnswerer,
    "Captioner": Captioner,
    "EmbeddingCaptioner": EmbeddingCaptioner,
}
