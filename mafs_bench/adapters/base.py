"""``Adapter``, the base class of every model. An adapter overrides the methods that its model supports.

Images are uint8 RGB arrays (H, W, 3) of any size, texts are str. A missing image is passed as a grey
image and a missing text as "", with ``present`` False in ``Embeddings``; how an adapter handles them
is its declared ``missing`` convention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mafs_bench.errors import AdapterError, UsageError
from mafs_bench.types import FloatArray, Image, TrainingData


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run a model: device ("cpu", "cuda", "cuda:1", "mps"), precision ("fp32", "bf16", "fp16").

    compile: image encoder through ``torch.compile``. prompts: the prompt file of a generative model,
    ``prompts@N`` or a TOML file ("": the default). model_args: further settings, as ``--model-args`` gives them.
    trust_remote_code: whether code of the model's repository may be run. first_stage: the spec of the dual encoder
    whose best candidates a generative model puts in order ("": none). concurrency: requests in flight to a server.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int = 64
    compile: bool = False
    prompts: str = ""
    model_args: Mapping[str, str] = field(default_factory=dict)
    trust_remote_code: bool = False
    first_stage: str = ""
    concurrency: int = 16


@dataclass(frozen=True, slots=True)
class Embeddings:
    """n encoded items.

    vectors: float32 (n, d), unit length. present: bool (n,), False where the modality was missing.
    signals: float32 (n,) each, what a fusion may read in addition to the vectors (e.g. token entropy).
    states: arrays (n, …) that ``score_pairs`` needs again (e.g. token states and masks).
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
    """Fused queries: vectors float32 (n, d), unit length; diagnostics float32 (n,) each (``alpha_image`` …)."""

    vectors: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with the model's confidence in it, in [0, 1], None for unknown.

    diagnostics are stored with the score.
    """

    text: str
    confidence: float | None
    diagnostics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption; diagnostics are stored with its score."""

    text: str
    diagnostics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChoiceAsked:
    """A multiple-choice question as a model gets it: the options in the order in which they are shown."""

    question: str
    options: tuple[str, ...]
    hint: str = ""


CAPABILITIES = (
    "encode_images",
    "encode_texts",
    "encode_pixels",
    "score_pairs",
    "match_probabilities",
    "fuse",
    "answer",
    "answer_embedded",
    "caption",
    "caption_embedded",
    "match_pairs",
    "choose",
    "compile",
)
"""The methods of ``Adapter`` that define what a model can do."""

MODEL_OPTIONS = ("prompts", "model_args", "trust_remote_code", "first_stage")
"""Fields of ``Settings`` that only some models read."""

DUAL_ENCODER = frozenset({"encode_images", "encode_texts"})
"""What a dual encoder supports: images and texts encoded separately into one space."""


class Adapter:
    """A model. Override the methods that it supports; the others raise "not supported".

    A capability is a method of ``CAPABILITIES`` that the class overrides and that ``unsupported`` does not name.
    All attributes have defaults; ``name`` and ``weights`` are filled in where they are empty when a model is loaded.

    name: its name in tables. weights: SHA-256 of the weights (or of the source, for a model without).
    missing: convention per modality, e.g. {"image": "blank", "text": "empty"} or {"image": "masked", …}.
    domain: the visual domain it was trained on ("scenes", "photo", "" for any). public: the spec of a model for
    another domain ("" for none). sources: where weights come from, e.g. {"weights": a commit of the hub}.
    unsupported: capabilities that the class has and these weights do not support, each with the reason.
    rerank: how many of the best candidates of a query, by dot product, are ordered by ``score_pairs``, before all
    others (as ALBEF and BLIP do). pairs_at_once: how many pairs ``score_pairs`` takes at most (None: the default).
    encoder: what adapters that encode alike share; ``--cache`` keeps one copy of its rows. derived: states that
    ``complete_images`` and ``complete_texts`` compute from the rest, which the cache does not keep.
    training_data: what the model was trained on: scores on it are noted.
    prompts: name and SHA-256 of the prompt file that it is asked with, empty for none. first_stage: spec (``model``)
    and ``weights`` of the dual encoder that picks its candidates, empty for none. accepts: which of
    ``MODEL_OPTIONS`` it reads of its settings; others are refused.
    served: whether a server answers, so that the model is known by where it is and what it is called there; its
    ``weights`` hash just that, and its probe is not compared. batches_at_once: how many batches may be asked for at the
    same time, from as many threads. states_matches: whether ``match_pairs`` gives 1 and 0 as stated, no probabilities.
    unrecorded: the model arguments that change no answer.
    preprocess: goes with ``encode_pixels``; picklable, turns one image into an array of fixed shape, in a worker.
    """

    name: str = ""
    weights: str = ""
    missing: Mapping[str, str] = MappingProxyType({"image": "blank", "text": "empty"})
    domain: str = ""
    public: str = ""
    sources: Mapping[str, str] = MappingProxyType({})
    unsupported: Mapping[str, str] = MappingProxyType({})
    rerank: int = 0
    pairs_at_once: int | None = None
    encoder: str = ""
    derived: frozenset[str] = frozenset()
    training_data: tuple[TrainingData, ...] = ()
    prompts: Mapping[str, str] = MappingProxyType({})
    first_stage: Mapping[str, str] = MappingProxyType({})
    accepts: frozenset[str] = frozenset()
    served: bool = False
    batches_at_once: int = 1
    states_matches: bool = False
    unrecorded: frozenset[str] = frozenset()
    preprocess: Callable[[Image], npt.NDArray[Any]]

    @classmethod
    def class_of(cls, argument: str) -> type[Adapter]:
        """The class that loads ``argument``, for adapters with several classes. Default: this one."""
        return cls

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Build the model for ``argument`` ("" for none). The default raises ``UsageError`` for any argument."""
        if argument:
            raise UsageError(f"{cls.__name__} takes no argument (it has no 'load'), got {argument!r}")
        return cls()

    @classmethod
    def overridden(cls) -> frozenset[str]:
        """The capabilities of the class, known before weights are loaded."""
        return with_implied(
            frozenset(name for name in CAPABILITIES if getattr(cls, name) is not _DEFAULTS[name])
        )

    @property
    def capabilities(self) -> frozenset[str]:
        """What this model can do: the methods that its class overrides, except those in ``unsupported``."""
        absent = self.unsupported.keys()
        return with_implied(type(self).overridden() - absent) - absent

    def supports(self, *capabilities: str) -> bool:
        """Whether the model can do all of these."""
        return self.capabilities >= set(capabilities)

    @property
    def model_class(self) -> type:
        """The user's class."""
        return type(self)

    @property
    def qualified_name(self) -> str:
        """Module and name of the class."""
        return f"{self.model_class.__module__}.{self.model_class.__qualname__}"

    def encode_images(self, images: Sequence[Image]) -> FloatArray | Embeddings:
        """Encode n images to float32 (n, d), unit length. Default: ``preprocess`` and ``encode_pixels``."""
        if "encode_pixels" not in type(self).overridden():
            raise self._not_supported("encode_images")
        return self.encode_pixels(np.stack([self.preprocess(image) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> FloatArray | Embeddings:
        """Encode n texts to float32 (n, d), unit length, in the space of the images (compared by dot product)."""
        raise self._not_supported("encode_texts")

    def keep_answers(self, folders: Sequence[Path]) -> None:
        """Store answers in these folders as they come, and ask nothing again that is stored. Default: nothing is kept.

        The first folder is the run's own, the others are shared.
        """

    def usage(self) -> Mapping[str, float]:
        """What the answers have cost so far, by name (``tokens_in``, …). Default: nothing is counted."""
        return {}

    def close(self) -> None:
        """Let go of connections and files, at the end of a run. Default: there are none."""

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> Sequence[Sequence[int]] | None:
        """The token ids that ``encode_texts`` reads from n texts; with ``cut`` False also those beyond its context.

        Runs use them to report corruptions that the model cannot see. Default: None, unknown.
        """
        return None

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> FloatArray | Embeddings:
        """Encode stacked outputs (n, …) of ``preprocess`` to float32 (n, d), unit length."""
        raise self._not_supported("encode_pixels")

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], FloatArray | Embeddings]:
        """Start ``encode_pixels`` and return a function that waits for the result.

        An accelerator then runs one batch while the host prepares the next. Default: it runs at once.
        """
        encoded = self.encode_pixels(pixels)
        return lambda: encoded

    def complete_images(self, images: Embeddings) -> Embeddings:
        """Add the ``derived`` states of images. Default: there are none."""
        return images

    def complete_texts(self, texts: Embeddings) -> Embeddings:
        """Add the ``derived`` states of texts. Default: there are none."""
        return texts

    def score_pairs(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Score n aligned pairs (image i, text i), float32 (n,); higher is a better match."""
        raise self._not_supported("score_pairs")

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Probability that each of n aligned pairs matches, float32 (n,) in [0, 1].

        From an image-text matching head, or the sigmoid of a similarity trained for it (SigLIP).
        """
        raise self._not_supported("match_probabilities")

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fuse n aligned pairs into n unit vectors in the space of ``encode_images``, with diagnostics."""
        raise self._not_supported("fuse")

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Set the candidate answers, once before the first question. Default: ignored."""

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> Sequence[Answer]:
        """Answer n questions, one per image. ``present`` is bool (n, 2): whether image and question are present."""
        raise self._not_supported("answer")

    def answer_embedded(
        self, images: Embeddings, texts: Embeddings, questions: Sequence[str]
    ) -> Sequence[Answer]:
        """Answer n questions from embeddings, so that images are encoded only once for all tasks.

        ``texts`` are the embedded ``questions`` ("" where missing).
        """
        raise self._not_supported("answer_embedded")

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> Sequence[str]:
        """Caption n images; ``contexts`` are texts given with them ("" for none)."""
        raise self._not_supported("caption")

    def describe(
        self, images: Sequence[Image], contexts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> Sequence[str]:
        """Caption n images; ``present`` is bool (n, 2): whether image and context are present.

        For a missing context ``present`` is False; if the task gives no context, it is "" and ``present`` is True.
        Default: ``caption``.
        """
        return self.caption(images, contexts)

    def match_pairs(
        self, images: Sequence[Image], texts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """Probability that each text describes its image, float32 (n,) in [0, 1], from a joint reading of both.

        ``present`` is bool (n, 2): whether image and text are present.
        """
        raise self._not_supported("match_pairs")

    def choose(
        self, images: Sequence[Image], asked: Sequence[ChoiceAsked], present: npt.NDArray[np.bool_]
    ) -> Sequence[FloatArray]:
        """How probable each option of n questions is, one question per image: float32 (k,) each, of sum 1.

        ``present`` is bool (n, 2): image there, question there.
        """
        raise self._not_supported("choose")

    def caption_embedded(self, images: Embeddings, texts: Embeddings) -> Sequence[Caption]:
        """Caption n images from embeddings, so that images are encoded only once for all tasks.

        ``texts`` are embedded contexts, ``present`` False where there is none.
        """
        raise self._not_supported("caption_embedded")

    def compile(self) -> None:
        """Compile the image encoder with ``torch.compile``, and run it once so that failures show early."""
        raise self._not_supported("compile")

    def _not_supported(self, method: str) -> AdapterError:
        reason = self.unsupported.get(method, f"{self.qualified_name} does not implement it")
        return AdapterError(f"{self.name or type(self).__name__}: {method} is not supported: {reason}")


_DEFAULTS = {name: getattr(Adapter, name) for name in CAPABILITIES}


def with_implied(methods: frozenset[str]) -> frozenset[str]:
    """Add ``encode_images``, which ``encode_pixels`` implies."""
    return methods | {"encode_images"} if "encode_pixels" in methods else methods
