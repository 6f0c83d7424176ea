"""A model that knows nothing, and gives the same answers always: the floor under every curve.

Specs: chance
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.errors import UsageError
from mafs_bench.types import FloatArray, Image

_DIMENSIONS = 64


class Chance(Adapter):
    """Draws unit vectors and answers at random, keyed by the bytes of what it is given.

    It cannot describe: a random caption has no meaning.
    """

    name = "chance"
    weights = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()

    def __init__(self) -> None:
        self._vocabulary: tuple[str, ...] = ()

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Make one; there is nothing to load. Raises ``UsageError`` for an argument."""
        if argument:
            raise UsageError(f"model 'chance' takes no argument, got {argument!r}")
        return cls()

    def preprocess(self, image: Image) -> npt.NDArray[np.uint8]:
        """Reduce an image to what keys its vector: SHA-256 of shape and pixels, uint8 (32,)."""
        return np.frombuffer(_key(str(image.shape).encode(), image.tobytes()), dtype=np.uint8)

    def encode_pixels(self, pixels: npt.NDArray[np.uint8]) -> FloatArray:
        """The vectors of keys (n, 32) of ``preprocess``, float32 (n, 64), unit length."""
        return _directions([_key(b"image", row.tobytes()) for row in pixels])

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Float32 (n, 64), unit length."""
        return _directions([_key(b"text", text.encode()) for text in texts])

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """One vector per pair, close to neither of its parts."""
        pairs = zip(images.vectors, texts.vectors, strict=True)
        return Fused(_directions([_key(image.tobytes(), text.tobytes()) for image, text in pairs]))

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Set the candidate answers. Raises ``UsageError`` if there are none."""
        if not vocabulary:
            raise UsageError("model 'chance' chooses among answers, and the data set names none")
        self._vocabulary = tuple(vocabulary)

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[Answer]:
        """Choose uniformly; confidence is one over the number of answers."""
        keys = [
            _key(self.preprocess(image).tobytes(), question.encode())
            for image, question in zip(images, questions, strict=True)
        ]
        confidence = 1 / len(self._vocabulary)
        return [
            Answer(self._vocabulary[_stream(key).integers(len(self._vocabulary))], confidence) for key in keys
        ]


def _key(*parts: bytes) -> bytes:
    """SHA-256 over length-prefixed parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def _stream(key: bytes) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key[:16], dtype=np.uint64)))


def _directions(keys: Sequence[bytes]) -> FloatArray:
    """Directions uniform on the sphere, one a key."""
    normal = np.stack([_stream(key).standard_normal(_DIMENSIONS) for key in keys])
    units: FloatArray = (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float32)
    return units
