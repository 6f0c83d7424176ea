"""BLIP's way from a sentence to token ids: the official clean-up, and the official first tokens.

The official model reads ``[CLS]`` for contrast, ``[ENC]`` for matching and for questions, ``[DEC]`` for what
the decoder writes. transformers leaves ``[CLS]`` where ``[ENC]`` belongs, so it is put there here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_WORDS = 30
MAX_QUESTION_WORDS = 50
MAX_TOKENS = 35
_PUNCTUATION = '.!"()*#:;~'
_SPACED = str.maketrans(dict.fromkeys(_PUNCTUATION, " "))
_REMOVED = str.maketrans(dict.fromkeys(_PUNCTUATION, ""))


def clean_caption(text: str, words: int | None = MAX_WORDS) -> str:
    """Lower-case, punctuation and runs of white space as one space, cut after 30 words (None: not cut)."""
    plain = re.sub(r"\s{2,}", " ", text.lower().translate(_SPACED)).rstrip("\n").strip(" ")
    return " ".join(plain.split(" ")[:words])


def clean_question(text: str) -> str:
    """Lower-case, without punctuation but with commas and question marks, cut after 50 words."""
    plain = text.lower().translate(_REMOVED).rstrip(" ")
    return " ".join(plain.split(" ")[:MAX_QUESTION_WORDS])


def padded(tokenizer: Any, texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """N texts to ids and masks (n, 2, 35), ``[CLS]`` first."""
    encoded = tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="np"
    )
    return np.stack([encoded["input_ids"], encoded["attention_mask"]], axis=1).astype(np.int64)


def unpadded(tokenizer: Any, texts: Sequence[str], first: int) -> list[list[int]]:
    """N texts to lists of at most 35 ids, the first of them replaced."""
    encoded = tokenizer(list(texts), padding=False, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    return [[first, *ids[1:]] for ids in encoded]


def encoder_token(config: Any) -> int:
    """The id of ``[ENC]``: the last one, added behind BERT's vocabulary and ``[DEC]``."""
    return int(config.text_config.vocab_size) - 1


def decoder_token(config: Any) -> int:
    """The id of ``[DEC]``."""
    return int(config.text_config.bos_token_id)
