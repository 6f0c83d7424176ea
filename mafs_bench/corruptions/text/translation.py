"""Back-translation: English to a pivot language and back, by two MarianMT models.

The weights are looked for in the folder that ``MAFS_BENCH_MARIAN`` names (``opus-mt-en-de`` and
``opus-mt-de-en`` in it), else under ``Helsinki-NLP/`` in the local cache of transformers; nothing is downloaded.
``pivot`` is the other language's code, ``rank`` that of the hypothesis of the beam search (1: the best).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mafs_bench.corruptions.base import TextOperator, digest_of_files
from mafs_bench.errors import UsageError
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

_FOLDER = "MAFS_BENCH_MARIAN"


def _nothing(rng: KeyedStream, text: str, levels: Sequence[Params]) -> None:
    """Translation draws nothing: beam search is deterministic."""


def _apply(text: str, draws: None, params: Params) -> str | None:
    if not text.strip():
        return None
    pivot, rank = params["pivot"], params["rank"]
    there = _translate(f"opus-mt-en-{pivot}", text, 1)
    back = _translate(f"opus-mt-{pivot}-en", there, rank)
    return back or None


@lru_cache(maxsize=65536)
def _translate(name: str, text: str, rank: int) -> str:
    """The hypothesis of that rank (1: the best) of a beam search."""
    import torch

    tokenizer, model = _model(name)
    with torch.inference_mode():
        out = model.generate(
            **tokenizer([text], return_tensors="pt"),
            num_beams=max(5, rank),
            num_return_sequences=rank,
            do_sample=False,
            max_new_tokens=256,
        )
    return str(tokenizer.decode(out[rank - 1], skip_special_tokens=True))


@lru_cache(maxsize=4)
def _model(name: str) -> tuple[Any, Any]:
    from transformers import MarianMTModel, MarianTokenizer

    source = _source(name)
    try:
        tokenizer = MarianTokenizer.from_pretrained(source, local_files_only=True)
        return tokenizer, MarianMTModel.from_pretrained(source, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UsageError(
            f"back_translation is not available: {source} cannot be loaded ({reason}); "
            f"put {name} into a folder, name it in {_FOLDER}, and install sentencepiece"
        ) from error


def _source(name: str) -> str:
    folder = os.environ.get(_FOLDER)
    return str(Path(folder) / name) if folder else f"Helsinki-NLP/{name}"


def _assets(params: Params) -> dict[str, str]:
    """SHA-256 of both models' files: weights, configuration and tokenizer. Raises ``UsageError`` without them."""
    pivot = params["pivot"]
    names = (f"opus-mt-en-{pivot}", f"opus-mt-{pivot}-en")
    for name in names:
        _model(name)  # says in one line what is missing
    return {name: _digest(_source(name)) for name in names}


@lru_cache(maxsize=4)
def _digest(source: str) -> str:
    """SHA-256 of the files in a model's folder, or in its cached snapshot."""
    from huggingface_hub import hf_hub_download

    local = Path(source)
    folder = (
        local
        if local.is_dir()
        else Path(hf_hub_download(source, "config.json", local_files_only=True)).parent
    )
    return digest_of_files(sorted(file for file in folder.iterdir() if file.is_file()))


back_translation = TextOperator(_nothing, _apply, _assets)
