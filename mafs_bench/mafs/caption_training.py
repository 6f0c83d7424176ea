"""Train a caption decoder and its fusion on a bank of embeddings: frozen backbone, one random corruption per pair.

loss = cross-entropy of the caption + β (cross-entropy of language alone + 1 - cos(ℓ, the caption's embedding))
       + λ KL(α ‖ uniform)
The language-only terms train the quantities that the signals are computed from; they are the same for every fusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mafs_bench.mafs.bank import EmbeddingBank, draw_batch
from mafs_bench.mafs.captioning import CaptionDecoder, Captioner, Inputs
from mafs_bench.mafs.fusion import ScheduledFusion, WeightedFusion
from mafs_bench.mafs.signals import Prototypes, Standardise
from mafs_bench.mafs.training import Budget, kl_to_uniform, optimise
from mafs_bench.mafs.vocabulary import PAD, START, Vocabulary

CONTEXT_SHARE = 0.5
"""Share of training captions that have another caption of the image, possibly corrupted, as context."""
LANGUAGE = 0.2
_MOMENTUM = 0.02
_LONGEST = 30


@dataclass(frozen=True)
class CaptionBatch:
    """Inputs with target tokens (b, l), the embedding of the target (b, d), and which pairs are clean (b,)."""

    inputs: Inputs
    target: Tensor
    meaning: Tensor
    clean: Tensor


def make_captioner(
    fusion: WeightedFusion, prototypes: Prototypes, captions: list[str]
) -> tuple[Captioner, Vocabulary, Tensor]:
    """An untrained captioner, its vocabulary, and the captions as token ids, int64 (m, length)."""
    vocabulary = Vocabulary.of(captions)
    encoded = vocabulary.encode(captions, _LONGEST)
    length = int((encoded != PAD).any(0).sum())
    decoder = CaptionDecoder(prototypes.image.shape[1], len(vocabulary), length)
    return Captioner(fusion, decoder, prototypes), vocabulary, encoded[:, :length]


def train_captioner(
    captioner: Captioner, bank: EmbeddingBank, words: Tensor, budget: Budget, seed: int
) -> list[float]:
    """Train in place; returns the loss per step. ``words`` (m, length) are the token ids of the bank's captions."""
    generator = torch.Generator().manual_seed(seed)

    def loss() -> Tensor:
        batch = draw_captions(bank, captioner.prototypes, words, budget.batch, generator)
        heard = nn.functional.pad(batch.target[:, :-1], (1, 0), value=START)
        logits, alpha, alone, meaning = captioner(batch.inputs, heard)
        said = batch.target != PAD
        if isinstance(captioner.fusion, ScheduledFusion):
            signals = captioner.signals(batch.inputs, alone, meaning).signals
            kept = (said & batch.clean[:, None]).flatten()
            follow(captioner.fusion.scheduler.standardise, {n: x[kept] for n, x in signals.items()})
        distance = 1 - (meaning * batch.meaning[:, None]).sum(-1)
        there = batch.inputs.modalities[:, None].expand_as(alpha)
        total: Tensor = (
            _cross_entropy(logits, batch.target)
            + LANGUAGE * (_cross_entropy(alone, batch.target) + distance[said].mean())
            + budget.uniform * kl_to_uniform(alpha[said], there[said])
        )
        return total

    return optimise(captioner, loss, budget)


def draw_captions(
    bank: EmbeddingBank, prototypes: Prototypes, words: Tensor, size: int, generator: torch.Generator
) -> CaptionBatch:
    """Draw pairs as for any fusion; the target is another clean caption of the text's own image.

    The pair's text is the context for ``CONTEXT_SHARE`` of the pairs, and for all mismatched pairs, in which only the
    text determines the target. Without context the target is a caption of the pair's image.
    """
    batch = draw_batch(bank, prototypes, size, generator)
    mismatched = batch.shown != batch.image
    given = (torch.rand(size, generator=generator) < CONTEXT_SHARE) | mismatched
    given &= torch.bincount(bank.owner)[batch.image] > 1
    described = torch.where(given, batch.image, batch.shown)
    target = other_caption(bank.owner, batch.text, described, generator)
    present = batch.pairs.present * torch.stack([torch.ones(size), given.float()], dim=1)
    inputs = Inputs(batch.pairs.v, batch.pairs.t, present)
    longest = int((words[target] != PAD).any(0).sum())
    return CaptionBatch(inputs, words[target, :longest], bank.texts[target, 0], batch.mode == 0)


def other_caption(owner: Tensor, text: Tensor, image: Tensor, generator: torch.Generator) -> Tensor:
    """For each image (b,) one of its captions other than ``text`` (b,), or ``text`` if it has no other: (b,)."""
    order = torch.argsort(owner, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    counts = torch.bincount(owner)
    first = (torch.cumsum(counts, 0) - counts)[image]
    count = counts[image]
    own = torch.where(owner[text] == image, place[text] - first, 0)
    step = 1 + (torch.rand(len(text), generator=generator) * (count - 1)).long()
    return order[first + (own + step) % count]


def follow(standardise: Standardise, signals: dict[str, Tensor]) -> None:
    """Update the running mean and deviation of the signals of clean pairs, which change as the decoder learns."""
    columns = torch.stack([signals[name] for name in standardise.names], dim=1)
    if len(columns) > 1:
        standardise.mean.lerp_(columns.mean(0), _MOMENTUM)
        standardise.deviation.lerp_(columns.std(0).clamp_min(1e-6), _MOMENTUM)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD)
