"""Visual question answering with two towers: the answer whose sentence fits the image best."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mafs_bench.adapters.base import Answer
from mafs_bench.errors import UsageError
from mafs_bench.types import FloatArray

_SHORTLIST = 64
_CACHED_TEXTS = 100_000


class AnswerRanker:
    """Ranks "question answer" sentences against image vectors.

    Vocabularies beyond 64 answers are first cut to the 64 whose own vectors lie closest to the sum of image
    and question vector, since a sentence for every pair of question and answer costs too much.
    """

    def __init__(self, encode: Callable[[Sequence[str]], FloatArray], logit_scale: float) -> None:
        """``encode`` turns texts into float32 (n, d), unit; ``logit_scale`` is the model's 1/temperature."""
        self._encode = encode
        self._logit_scale = logit_scale
        self._vocabulary: tuple[str, ...] = ()
        self._cache: dict[str, FloatArray] = {}

    def prepare(self, vocabulary: Sequence[str]) -> None:
        """Set the candidate answers. Raises ``UsageError`` if there are none."""
        if not vocabulary:
            raise UsageError("answers are ranked, and the data set names no answer to choose from")
        self._vocabulary = tuple(vocabulary)

    def answer(self, images: FloatArray, questions: Sequence[str]) -> list[Answer]:
        """Answer n questions on n image vectors (n, d); confidence is the softmax over the ranked answers."""
        return [self._answer_one(image, question) for image, question in zip(images, questions, strict=True)]

    def _answer_one(self, image: FloatArray, question: str) -> Answer:
        candidates = self._candidates(image, question)
        sentences = [f"{question} {answer}".strip() for answer in candidates]
        logits = self._logit_scale * (self._vectors(sentences) @ image).astype(np.float64)
        shares = np.exp(logits - logits.max())
        best = int(shares.argmax())
        return Answer(candidates[best], float(shares[best] / shares.sum()))

    def _candidates(self, image: FloatArray, question: str) -> Sequence[str]:
        if len(self._vocabulary) <= _SHORTLIST:
            return self._vocabulary
        query = image + self._vectors([question])[0]
        order = np.argsort(-(self._vectors(self._vocabulary) @ query), kind="stable")
        return [self._vocabulary[index] for index in np.sort(order[:_SHORTLIST])]

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        new = [text for text in dict.fromkeys(texts) if text not in self._cache]
        if len(self._cache) + len(new) > _CACHED_TEXTS:
            self._cache.clear()
            new = list(dict.fromkeys(texts))
        if new:
            self._cache.update(zip(new, self._encode(new), strict=True))
        return np.stack([self._cache[text] for text in texts])
