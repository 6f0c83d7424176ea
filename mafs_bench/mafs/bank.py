"""Training data of a fusion: embeddings of training pairs, clean and corrupted, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mafs_bench.mafs.fusion import FusionInput
from mafs_bench.mafs.signals import Prototypes, pair_signals

MODES = {"clean": 0.3, "image": 0.2, "text": 0.2, "no image": 0.08, "no text": 0.08, "mismatched": 0.14}
"""How often a training pair is left clean, is corrupted, loses a modality, or gets the image of another pair."""


@dataclass(frozen=True)
class EmbeddingBank:
    """n images and m captions of a training split.

    images: (n, 1 + A, d), unit length; [:, 0] is clean, the others have random training corruptions.
    texts: (m, 1 + A, d), likewise. tokens: (m, 1 + A) per token signal. owner: (m,), the caption's image.
    true_of: bool (n, m), caption k is true of image i.
    """

    images: Tensor
    texts: Tensor
    tokens: Mapping[str, Tensor]
    owner: Tensor
    true_of: Tensor


@dataclass(frozen=True)
class Batch:
    """Training pairs: indices (b,) of the caption (text), of its own image (image) and of the pair's image (shown).

    The last two differ for mismatched pairs, as under ``pair_shuffle``.
    """

    pairs: FusionInput
    mode: Tensor
    text: Tensor
    image: Tensor
    shown: Tensor


def draw_batch(bank: EmbeddingBank, prototypes: Prototypes, size: int, generator: torch.Generator) -> Batch:
    """Draw ``size`` captions with their images and corrupt each pair in one of ``MODES``."""
    n, (m, copies) = len(bank.images), bank.texts.shape[:2]

    def randint(high: int) -> Tensor:
        return torch.randint(high, (size,), generator=generator)

    text = randint(m)
    image = bank.owner[text]
    shares = torch.tensor(list(MODES.values()))
    mode = torch.multinomial(shares, size, replacement=True, generator=generator)
    image_copy = torch.where(mode == _mode("image"), 1 + randint(copies - 1), 0)
    text_copy = torch.where(mode == _mode("text"), 1 + randint(copies - 1), 0)
    mismatched = mode == _mode("mismatched")
    shown = torch.where(mismatched, randint(n), image)
    present = torch.stack([mode != _mode("no image"), mode != _mode("no text")], dim=1).float()
    corrupted = torch.stack(
        [(mode == _mode("image")) | mismatched, (mode == _mode("text")) | mismatched], dim=1
    ).float()
    pairs = make_pairs(bank, prototypes, shown, image_copy, text, text_copy, present, corrupted)
    return Batch(pairs, mode, text, image, shown)


def make_pairs(
    bank: EmbeddingBank,
    prototypes: Prototypes,
    image: Tensor,
    image_copy: Tensor,
    text: Tensor,
    text_copy: Tensor,
    present: Tensor,
    corrupted: Tensor,
) -> FusionInput:
    """Look pairs up in the bank and compute their signals; all arguments are (b,) but the last two (b, 2)."""
    v, t = bank.images[image, image_copy], bank.texts[text, text_copy]
    tokens = {name: values[text, text_copy] for name, values in bank.tokens.items()}
    return FusionInput(v, t, pair_signals(prototypes, v, t, tokens), present, corrupted)


def _mode(name: str) -> int:
    return list(MODES).index(name)


def clean_twins(
    bank: EmbeddingBank, prototypes: Prototypes, batch: Batch, generator: torch.Generator
) -> FusionInput:
    """The same images, clean, each with another of its own clean captions."""
    order = torch.argsort(bank.owner, stable=True)
    counts = torch.bincount(bank.owner, minlength=len(bank.images))
    first = torch.cumsum(counts, 0) - counts
    pick = (torch.rand(len(batch.image), generator=generator) * counts[batch.image]).long()
    twin = order[first[batch.image] + pick]
    zero = torch.zeros_like(twin)
    here = torch.ones(len(twin), 2)
    return make_pairs(bank, prototypes, batch.image, zero, twin, zero, here, torch.zeros_like(here))
