"""What adapters with a matching head share: aligned pairs through fusion layers, in tiles of one size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from mafs_bench.adapters.base import Embeddings, Settings
from mafs_bench.adapters.inference import inference, pack_states, to_host
from mafs_bench.adapters.tiles import run_in_tiles, tile_rows
from mafs_bench.adapters.vectors import unit_rows

STATES = "tokens"
"""The name of what is kept for matching: token states of images, ids and masks (n, 2, l) of texts."""

RETRIEVAL = ("encode_images", "encode_texts", "encode_pixels", "fuse", "score_pairs", "match_probabilities")
"""Capabilities that a model of retrieval and matching is needed for."""


def kept_for_matching(
    features: torch.Tensor, states: torch.Tensor, name: str, settings: Settings
) -> Callable[[], Embeddings]:
    """Images as vectors with their states, from a model's device; only calling it waits for the device."""

    def fetch() -> Embeddings:
        vectors = unit_rows(to_host(features), name, "image")
        present = np.ones(len(vectors), dtype=bool)
        return Embeddings(vectors, present, states={STATES: pack_states(states, settings)})

    return fetch


Matcher = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def matching_logits(
    match: Matcher, images: Embeddings, texts: Embeddings, settings: Settings
) -> torch.Tensor:
    """Logits (n, 2) of "no match" and "match" of aligned pairs, float32 on the host.

    ``match`` takes image states (m, tokens, width), ids int64 and mask (m, l).
    """
    device = torch.device(settings.device)
    image_states, sentences = images.states[STATES], texts.states[STATES]

    def forward(rows: torch.Tensor) -> torch.Tensor:
        index = rows.numpy()
        ids, mask = torch.tensor(sentences[index], device=device).unbind(dim=1)
        return match(torch.tensor(image_states[index], device=device).float(), ids, mask)

    with inference(settings):
        return run_in_tiles(forward, torch.arange(len(sentences)), tile_rows(device)).float().cpu()
