"""ALBEF's way from a sentence to token ids: clean-up, WordPiece, ``[CLS]`` in front and no ``[SEP]`` behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import tokenizers

MAX_WORDS = 30
MAX_TOKENS = 30
"""Tokens of a caption, ``[CLS]`` included."""

_REMOVED = str.maketrans({**dict.fromkeys(",.'!?\"()*#:;~", ""), "-": " ", "/": " "})
Ids = npt.NDArray[np.int64]


def clean_question(text: str) -> str:
    """Lower-case, without punctuation, hyphens and slashes as spaces, cut after 30 words."""
    words = text.lower().translate(_REMOVED).rstrip(" ").split(" ")
    return " ".join(words[:MAX_WORDS])


def clean_caption(text: str, most: int | None = MAX_WORDS) -> str:
    """Clean as a question is, with runs of white space made one and the placeholder ``<person>`` a word.

    Cut after ``most`` words, None: not cut.
    """
    plain = text.lower().translate(_REMOVED).replace("<person>", "person")
    words = re.sub(r"\s{2,}", " ", plain).rstrip("\n").strip(" ").split(" ")
    return " ".join(words[:most])


POSITIONS = 512
"""What BERT has."""


@dataclass(frozen=True)
class Tokenizer:
    """BERT's lower-casing WordPiece over a ``vocab.txt``."""

    wordpiece: tokenizers.BertWordPieceTokenizer

    @classmethod
    def load(cls, vocabulary: Path) -> Self:
        """Read the vocabulary, one piece per line."""
        return cls(tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True))

    def captions(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Clean n captions to ids and mask (n, 30): ``[CLS]``, at most 29 pieces, padding."""
        rows = [self._pieces(clean_caption(text))[: MAX_TOKENS - 1] for text in texts]
        return self._pad(rows, MAX_TOKENS)

    def whole_captions(self, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of n cleaned captions, not cut."""
        return [self._pieces(clean_caption(text, None)) for text in texts]

    def questions(self, texts: Sequence[str], positions: int = POSITIONS) -> tuple[Ids, Ids]:
        """Clean n questions to ids and mask (n, l), padded to the longest: ``[CLS]`` and the pieces.

        Tokens beyond the model's ``positions`` are cut off; the official evaluation raises an error for them.
        """
        rows = [self._pieces(clean_question(text))[: positions - 1] for text in texts]
        return self._pad(rows, 1 + max(map(len, rows)))

    def answers(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """N answers, not cleaned, to ids and mask (n, l): ``[CLS]``, all pieces, ``[SEP]``."""
        rows = [[*self._pieces(text), self._id("[SEP]")] for text in texts]
        return self._pad(rows, 1 + max(map(len, rows)))

    def _pieces(self, text: str) -> list[int]:
        ids: list[int] = self.wordpiece.encode(text, add_special_tokens=False).ids
        return ids

    def _id(self, token: str) -> int:
        number: int = self.wordpiece.token_to_id(token)
        return number

    def _pad(self, rows: Sequence[Sequence[int]], length: int) -> tuple[Ids, Ids]:
        ids = np.full((len(rows), length), self._id("[PAD]"), dtype=np.int64)
        mask = np.zeros_like(ids)
        ids[:, 0] = self._id("[CLS]")
        for row, pieces in enumerate(rows):
            ids[row, 1 : 1 + len(pieces)] = pieces
            mask[row, : 1 + len(pieces)] = 1
        return ids, mask
