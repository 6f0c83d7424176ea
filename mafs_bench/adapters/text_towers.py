"""Text towers of open_clip, run on texts that are cut where nothing that counts is lost.

In a causal tower nothing after the pooled token reaches it, so texts need only be computed up to that token:
exact, and for captions several times less work than the full context.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from open_clip.transformer import text_global_pool

from mafs_bench.adapters.open_clip_models import OpenClipModel
from mafs_bench.adapters.tiles import run_in_tiles, tile_rows

_LENGTH_STEP = 8
"""Lengths are rounded up to multiples of this: the shape of a tile then depends only on the text."""


def encode_texts(loaded: OpenClipModel, texts: Sequence[str]) -> torch.Tensor:
    """Encode n texts, each distinct one once, to (n, d) on the model's device, not normalised."""
    distinct = list(dict.fromkeys(texts))
    position = {text: index for index, text in enumerate(distinct)}
    ids = loaded.tokenizer(distinct)
    features = _encode_distinct(loaded.model, ids, loaded.device)
    return features[[position[text] for text in texts]]


def _encode_distinct(model: Any, ids: torch.Tensor, device: torch.device) -> torch.Tensor:
    rows = tile_rows(device)
    tower = getattr(model, "text", model)
    if not _can_cut(tower):
        return run_in_tiles(lambda tile: model.encode_text(tile.to(device)), ids, rows)
    lengths = _cut_lengths(tower, ids)
    groups = {int(n): np.flatnonzero(lengths == n) for n in np.unique(lengths)}
    parts = [
        run_in_tiles(lambda tile: _encode_cut(tower, tile.to(device)), ids[members, :n], rows)
        for n, members in groups.items()
    ]
    order = np.argsort(np.concatenate(list(groups.values())))
    return torch.cat(parts)[order]


def _pool_type(tower: Any) -> str:
    """``CLIP`` holds its text tower's parts itself, under names of their own for these two."""
    return str(getattr(tower, "text_pool_type" if hasattr(tower, "text_pool_type") else "pool_type", ""))


def _end_token(tower: Any) -> int | None:
    return getattr(tower, "text_eos_id" if hasattr(tower, "text_eos_id") else "eos_id", None)


def _can_cut(tower: Any) -> bool:
    """Whether the tower is causal, pools at a token of the text and adds no token of its own."""
    return (
        getattr(tower, "attn_mask", None) is not None
        and _pool_type(tower) in ("argmax", "eos")
        and getattr(tower, "cls_emb", None) is None
    )


def _cut_lengths(tower: Any, ids: torch.Tensor) -> npt.NDArray[np.int64]:
    """Tokens that each text needs, up to the pooled one, rounded up."""
    tokens = ids.numpy()
    marked = tokens if _pool_type(tower) == "argmax" else tokens == _end_token(tower)
    needed = marked.argmax(axis=1) + 1
    rounded: npt.NDArray[np.int64] = -(-needed // _LENGTH_STEP) * _LENGTH_STEP
    return np.minimum(rounded, ids.shape[1])


def _encode_cut(tower: Any, ids: torch.Tensor) -> Any:
    """The forward pass of open_clip's text tower for (n, l) ids of any l up to the context."""
    length = ids.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    states = tower.token_embedding(ids).to(dtype) + tower.positional_embedding[:length].to(dtype)
    states = tower.transformer(states, attn_mask=tower.attn_mask[:length, :length])
    states = tower.ln_final(states)
    pooled = text_global_pool(states, ids, _pool_type(tower), eos_token_id=_end_token(tower))
    projection = tower.text_projection
    if projection is None:
        return pooled
    return projection(pooled) if isinstance(projection, torch.nn.Linear) else pooled @ projection
