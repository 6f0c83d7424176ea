"""Vocabulary of the caption decoder: whole words of the training captions, independent of the backbone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PAD, START, END, UNKNOWN = range(4)
_SPECIAL = 4
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class Vocabulary:
    """A vocabulary of lower-case words; ids 0 to 3 are padding, start, end and unknown words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._id = {word: k + _SPECIAL for k, word in enumerate(self.words)}

    @classmethod
    def of(cls, captions: Iterable[str], least: int = 3) -> Vocabulary:
        """The words that occur at least ``least`` times, most frequent first."""
        counts = Counter(word for caption in captions for word in split(caption))
        kept = [(-n, word) for word, n in counts.items() if n >= least]
        return cls([word for _, word in sorted(kept)])

    def __len__(self) -> int:
        return len(self.words) + _SPECIAL

    def encode(self, captions: Sequence[str], length: int) -> Tensor:
        """int64 (n, length): word ids and the end token, cut to ``length``, then padded."""
        rows = torch.full((len(captions), length), PAD)
        for row, caption in zip(rows, captions, strict=True):
            ids = [*(self._id.get(word, UNKNOWN) for word in split(caption)), END][:length]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def decode(self, ids: Sequence[int]) -> str:
        """The words up to the end token, joined by spaces."""
        kept = list(ids)[: list(ids).index(END)] if END in ids else list(ids)
        return " ".join(self.words[k - _SPECIAL] for k in kept if k >= _SPECIAL)


def split(caption: str) -> list[str]:
    """Lower-case words without punctuation, which caption metrics ignore."""
    return _WORD.findall(caption.lower())
