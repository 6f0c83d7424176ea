"""Train fusions on banks of embeddings: frozen backbone, one random corruption per pair.

loss = task loss on z + λ KL(α ‖ uniform) + μ |α - α of a clean twin|², the last term on clean pairs only; a twin is
the same image with another of its captions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mafs_bench.errors import TrainingError, UsageError
from mafs_bench.mafs.bank import Batch, EmbeddingBank, clean_twins, draw_batch
from mafs_bench.mafs.cross_modal import CrossModalFusion
from mafs_bench.mafs.fusion import Targets, WeightedFusion
from mafs_bench.mafs.signals import Prototypes, Standardise, pair_signals


@dataclass(frozen=True)
class Budget:
    """The same for every fusion: optimiser steps, pairs per step, learning rate, and the two loss weights."""

    steps: int = 600
    batch: int = 128
    learning_rate: float = 1e-3
    uniform: float = 0.01
    consistency: float = 0.1
    tau: float = 0.05


def fit_standardise(standardise: Standardise, prototypes: Prototypes, bank: EmbeddingBank) -> None:
    """Set the mean and deviation of every signal over the clean training pairs.

    Raises ``UsageError`` if the backbone does not provide a signal.
    """
    tokens = {name: values[:, 0] for name, values in bank.tokens.items()}
    signals = pair_signals(prototypes, bank.images[bank.owner, 0], bank.texts[:, 0], tokens)
    if absent := set(standardise.names) - set(signals):
        raise UsageError(
            f"the fusion reads {', '.join(sorted(absent))}, which this backbone does not provide"
        )
    columns = torch.stack([signals[name] for name in standardise.names], dim=1)
    standardise.mean.copy_(columns.mean(0))
    standardise.deviation.copy_(columns.std(0).clamp_min(1e-6))


def train_fused(
    fusion: WeightedFusion, prototypes: Prototypes, bank: EmbeddingBank, budget: Budget, seed: int
) -> list[float]:
    """Train a fusion for fused retrieval of the clean captions of a batch's images; returns the loss curve.

    A pair's own caption is not a candidate.
    """
    generator = torch.Generator().manual_seed(seed)
    gallery = bank.texts[:, 0]
    label_of = (bank.images[:, 0] @ prototypes.image.T).argmax(1)

    def task_loss(z: Tensor, batch: Batch) -> Tensor:
        drawn = torch.isin(bank.owner, batch.image).nonzero()[:, 0]
        position = torch.full((len(bank.owner),), -1).index_copy_(0, drawn, torch.arange(len(drawn)))
        logits = z @ gallery[drawn].T / budget.tau
        truth = bank.true_of[batch.image][:, drawn]
        rows, own = torch.arange(len(z)), position[batch.text]
        logits[rows, own] = float("-inf")
        truth[rows, own] = False
        return _nce(logits, truth)

    def loss() -> Tensor:
        batch = draw_batch(bank, prototypes, budget.batch, generator)
        z, alpha = fusion(batch.pairs)
        twins = fusion.weigh(clean_twins(bank, prototypes, batch, generator)) if budget.consistency else alpha
        return (
            task_loss(z, batch)
            + budget.uniform * kl_to_uniform(alpha, batch.pairs.present)
            + budget.consistency * disagreement(alpha, twins, batch.mode == 0)
            + fusion.extra_loss(batch.pairs, alpha, Targets(label_of[batch.image]))
        )

    return optimise(fusion, loss, budget)


def train_cross_modal(
    fusion: CrossModalFusion,
    prototypes: Prototypes,
    bank: EmbeddingBank,
    budget: Budget,
    seed: int,
    pairs_a_side: int = 64,
) -> list[float]:
    """Train the weights of the two evidence scores on matrices of images x captions, in both directions."""
    generator = torch.Generator().manual_seed(seed)

    def loss() -> Tensor:
        batch = draw_batch(bank, prototypes, pairs_a_side, generator)
        scores, alpha = score_square(fusion, prototypes, batch)
        truth = bank.true_of[batch.shown][:, batch.text].T
        uniform = kl_to_uniform(alpha, torch.ones_like(alpha))
        return _nce(scores, truth) + _nce(scores.T, truth.T) + budget.uniform * uniform

    return optimise(fusion, loss, budget)


def score_square(fusion: CrossModalFusion, prototypes: Prototypes, batch: Batch) -> tuple[Tensor, Tensor]:
    """Scores (b, b) of every text (rows) with every image (columns) in a batch, and α (b², 2)."""
    b = len(batch.text)
    text, image = torch.arange(b).repeat_interleave(b), torch.arange(b).repeat(b)
    pairs = batch.pairs
    tokens = {n: x[text] for n, x in pairs.signals.items() if n.startswith("text") and n != "text_entropy"}
    v, t = pairs.v[image], pairs.t[text]
    present = torch.stack([pairs.present[image, 0], pairs.present[text, 1]], dim=1)
    signals = pair_signals(prototypes, v, t, tokens)
    masses = fusion.image_mass(pairs.v)[image], fusion.text_mass(pairs.t)[text]
    scores, alpha = fusion(signals["agreement"], *masses, signals, present)
    return scores.view(b, b), alpha


def optimise(module: nn.Module, loss: Callable[[], Tensor], budget: Budget) -> list[float]:
    """Adam with a cosine schedule; returns the loss per step. Raises ``TrainingError`` if a loss is not finite."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=budget.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, budget.steps)
    curve = []
    for step in range(1, budget.steps + 1):
        value = loss()
        curve.append(float(value.detach()))
        TrainingError.check_loss(curve[-1], step, budget.steps)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return curve


def _nce(logits: Tensor, truth: Tensor) -> Tensor:
    """Multi-positive contrastive loss over rows that have a positive: (b, m), bool (b, m) -> ()."""
    rows = truth.any(1)
    every = logits[rows].logsumexp(1)
    right = logits[rows].masked_fill(~truth[rows], float("-inf")).logsumexp(1)
    return (every - right).mean()


def kl_to_uniform(alpha: Tensor, present: Tensor) -> Tensor:
    """Mean KL(α ‖ uniform) in nats over pairs that have both modalities: (b, 2) -> ()."""
    both = alpha[present.prod(1) > 0].clamp_min(1e-8)
    return (both * (2 * both).log()).sum(1).mean() if len(both) else alpha.new_zeros(())


def disagreement(alpha: Tensor, twins: Tensor, untouched: Tensor) -> Tensor:
    """Mean squared difference of α between clean pairs and their twins: (b, 2) -> ()."""
    if not untouched.any():
        return alpha.new_zeros(())
    return (alpha[untouched] - twins[untouched]).square().sum(1).mean()
