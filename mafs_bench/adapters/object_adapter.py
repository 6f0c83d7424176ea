"""A plain object as an adapter: the one place that looks at which attributes an object has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import (
    CAPABILITIES,
    Adapter,
    Answer,
    Caption,
    ChoiceAsked,
    Embeddings,
    Fused,
    Settings,
    with_implied,
)
from mafs_bench.errors import UsageError
from mafs_bench.types import FloatArray, Image

_DESCRIPTION = (
    "name",
    "weights",
    "missing",
    "domain",
    "public",
    "sources",
    "rerank",
    "pairs_at_once",
    "encoder",
    "derived",
    "training_data",
    "preprocess",
)
"""Attributes that a plain object may have, as in ``Adapter``."""


def capabilities_of_class(cls: type) -> frozenset[str]:
    """The capabilities of any class: of an ``Adapter``, or of a plain class with methods of the same names."""
    if issubclass(cls, Adapter):
        return cls.overridden()
    return with_implied(frozenset(name for name in CAPABILITIES if callable(getattr(cls, name, None))))


def build_adapter(cls: type, argument: str, settings: Settings) -> Adapter:
    """Build an adapter of any class: by its ``load(argument, settings)``, or by ``cls()`` where it has none.

    Raises ``UsageError`` for an argument that a class without ``load`` cannot take, and what the class raises.
    """
    if issubclass(cls, Adapter):
        return cls.load(argument, settings)
    load: Callable[[str, Settings], object] | None = getattr(cls, "load", None)
    if load is None and argument:
        raise UsageError(f"{cls.__name__} takes no argument (it has no 'load'), got {argument!r}")
    return as_adapter(cls() if load is None else load(argument, settings))


def as_adapter(model: object) -> Adapter:
    """An adapter as it is, any other object as an ``ObjectAdapter``."""
    return model if isinstance(model, Adapter) else ObjectAdapter(model)


class ObjectAdapter(Adapter):
    """Forwards to the methods that an object has; those that it lacks are unsupported."""

    def __init__(self, model: object) -> None:
        """Wrap ``model``, and take over what it says of itself."""
        for attribute in _DESCRIPTION:
            if hasattr(model, attribute):
                setattr(self, attribute, getattr(model, attribute))
        able = {name for name in CAPABILITIES if callable(getattr(model, name, None))}
        if not hasattr(model, "preprocess"):
            able.discard("encode_pixels")
        able |= with_implied(frozenset(able))
        self.wrapped = cast(Adapter, model)
        """The object; of its methods only those are called that it has."""
        self.unsupported = {
            **{
                name: f"{self.qualified_name} has no such method" for name in CAPABILITIES if name not in able
            },
            **getattr(model, "unsupported", {}),
        }

    @property
    def model_class(self) -> type:
        """The wrapped object's class."""
        return type(self.wrapped)

    def encode_images(self, images: Sequence[Image]) -> FloatArray | Embeddings:
        """As the object does, or through its ``encode_pixels``."""
        if hasattr(self.wrapped, "encode_images"):
            return self.wrapped.encode_images(images)
        return super().encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray | Embeddings:
        """As the object does."""
        return self.wrapped.encode_texts(texts)

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> FloatArray | Embeddings:
        """As the object does."""
        return self.wrapped.encode_pixels(pixels)

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], FloatArray | Embeddings]:
        """As the object does, where it can."""
        if hasattr(self.wrapped, "start_pixels"):
            return self.wrapped.start_pixels(pixels)
        return super().start_pixels(pixels)

    def complete_images(self, images: Embeddings) -> Embeddings:
        """As the object does, where it has something to add."""
        return self.wrapped.complete_images(images) if hasattr(self.wrapped, "complete_images") else images

    def complete_texts(self, texts: Embeddings) -> Embeddings:
        """As the object does, where it has something to add."""
        return self.wrapped.complete_texts(texts) if hasattr(self.wrapped, "complete_texts") else texts

    def score_pairs(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """As the object does."""
        return self.wrapped.score_pairs(images, texts)

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """As the object does."""
        return self.wrapped.match_probabilities(images, texts)

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """As the object does."""
        return self.wrapped.fuse(images, texts)

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """As the object does, where it needs to know."""
        if hasattr(self.wrapped, "prepare_answers"):
            self.wrapped.prepare_answers(vocabulary)

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> Sequence[Answer]:
        """As the object does."""
        return self.wrapped.answer(images, questions, present)

    def answer_embedded(
        self, images: Embeddings, texts: Embeddings, questions: Sequence[str]
    ) -> Sequence[Answer]:
        """As the object does."""
        return self.wrapped.answer_embedded(images, texts, questions)

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> Sequence[str]:
        """As the object does."""
        return self.wrapped.caption(images, contexts)

    def caption_embedded(self, images: Embeddings, texts: Embeddings) -> Sequence[Caption]:
        """As the object does."""
        return self.wrapped.caption_embedded(images, texts)

    def match_pairs(
        self, images: Sequence[Image], texts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """As the object does."""
        return self.wrapped.match_pairs(images, texts, present)

    def choose(
        self, images: Sequence[Image], asked: Sequence[ChoiceAsked], present: npt.NDArray[np.bool_]
    ) -> Sequence[FloatArray]:
        """As the object does."""
        return self.wrapped.choose(images, asked, present)

    def compile(self) -> None:
        """As the object does."""
        self.wrapped.compile()
