"""What a tokenizer sees of damaged text, before any model runs.

A misspelt word falls apart into more and shorter pieces, which sentence embeddings hardly show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mafs_bench.types import FloatArray

_MARKERS = ("</w>", "##", "▁", "Ġ")
"""What BPE, WordPiece, SentencePiece and byte-level BPE add to pieces to mark the borders of words."""


def piece_splitter(tokenizer: Any) -> Callable[[str], list[str]]:
    """Make a function that splits a text into the tokenizer's pieces, markers of word borders removed.

    ``tokenizer`` is one of open_clip's: with ``encode`` and ``decoder`` (BPE) or around one of transformers.
    """

    inner = getattr(tokenizer, "tokenizer", None)
    if inner is not None and hasattr(inner, "deprecation_warnings"):
        # Pieces are only counted here, so that a text beyond the model's context is no mistake.
        inner.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True

    def split(text: str) -> list[str]:
        if inner is not None:
            return [_bare(piece) for piece in inner.tokenize(text)]
        return [_bare(tokenizer.decoder[token]) for token in tokenizer.encode(text)]

    return split


def all_token_ids(tokenizer: Any, text: str) -> list[int]:
    """The ids of a whole text, cleaned as the tokenizer does, without a cut and without added tokens."""
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:
        return list(tokenizer.encode(text))
    return list(inner(tokenizer.clean_fn(text), add_special_tokens=False)["input_ids"])


def text_signals(texts: Sequence[str], split: Callable[[str], list[str]]) -> dict[str, FloatArray]:
    """Signals a text, float32 (n,) each; 0 for a text without words.

    text_fertility: pieces per word, at least 1 (Rust et al., ACL 2021). text_fragments: share of pieces of one
    character among the pieces. text_words: number of words.
    """
    rows = np.array([_signals(text, split(text)) for text in texts], dtype=np.float32).reshape(-1, 3)
    return {
        "text_fertility": rows[:, 0].copy(),
        "text_fragments": rows[:, 1].copy(),
        "text_words": rows[:, 2].copy(),
    }


def _signals(text: str, pieces: list[str]) -> tuple[float, float, float]:
    words = len(text.split())
    if words == 0 or not pieces:
        return 0.0, 0.0, float(words)
    fragments = sum(len(piece) <= 1 for piece in pieces)
    return len(pieces) / words, fragments / len(pieces), float(words)


def _bare(piece: str) -> str:
    for marker in _MARKERS:
        piece = piece.removeprefix(marker).removesuffix(marker)
    return piece
