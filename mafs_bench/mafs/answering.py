"""Visual question answering on fused embeddings: one head for the image, one for the question, one for both.

  logits = α_v h_v(v) + α_t h_t(t) + 4 α_v α_t h([v ; t ; v∘t])
If the image gets no weight, the answer depends on the question's prior alone. The joint term decreases with either
weight, and its factor is 1 for equal weights. Every fusion uses the same head; only α differs. Targets are the soft
accuracies of the vocabulary under VQAv2's ten answers (Goyal et al., CVPR 2017).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mafs_bench.mafs.bank import EmbeddingBank, clean_twins, draw_batch
from mafs_bench.mafs.fusion import FusionInput, Targets, WeightedFusion
from mafs_bench.mafs.signals import Prototypes
from mafs_bench.mafs.training import Budget, disagreement, kl_to_uniform, optimise


class AnswerHead(nn.Module):
    """A fusion and three two-layer heads: maps pairs to logits over ``n_answers``."""

    def __init__(self, fusion: WeightedFusion, dim: int, n_answers: int, hidden: int = 256) -> None:
        super().__init__()
        self.fusion = fusion
        self.scale = dim**0.5
        self.image, self.text, self.both = (_head(n * dim, hidden, n_answers) for n in (1, 1, 3))

    def forward(self, pairs: FusionInput) -> tuple[Tensor, Tensor]:
        """Logits (n, answers) and α (n, 2); a missing modality enters as zeros."""
        alpha = self.fusion.weigh(pairs)
        v, t = self.scale * pairs.v * pairs.present[:, :1], self.scale * pairs.t * pairs.present[:, 1:]
        together = self.both(torch.cat([v, t, v * t], dim=-1))
        joint = 4 * alpha.prod(dim=1, keepdim=True)
        return alpha[:, :1] * self.image(v) + alpha[:, 1:] * self.text(t) + joint * together, alpha


def _head(width: int, hidden: int, n_answers: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, n_answers))


def train_answers(
    head: AnswerHead, prototypes: Prototypes, bank: EmbeddingBank, targets: Tensor, budget: Budget, seed: int
) -> list[float]:
    """Train a head and its fusion; returns the loss curve. ``bank.texts`` are questions, targets (m, answers) soft.

    Mismatched pairs are left out of the task loss: the wrong image says nothing about the answer.
    """
    generator = torch.Generator().manual_seed(seed)
    label_of = (bank.images[:, 0] @ prototypes.image.T).argmax(1)
    loss_of = _task_loss(targets)

    def loss() -> Tensor:
        batch = draw_batch(bank, prototypes, budget.batch, generator)
        logits, alpha = head(batch.pairs)
        answerable = batch.shown == batch.image
        twins = head.fusion.weigh(clean_twins(bank, prototypes, batch, generator))
        return (
            loss_of(logits[answerable], batch.text[answerable])
            + budget.uniform * kl_to_uniform(alpha, batch.pairs.present)
            + budget.consistency * disagreement(alpha, twins, batch.mode == 0)
            + head.fusion.extra_loss(batch.pairs, alpha, Targets(label_of[batch.image]))
        )

    return optimise(head, loss, budget)


def _task_loss(targets: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy, summed over answers and averaged over pairs, as is usual for soft VQA targets."""

    def loss(logits: Tensor, question: Tensor) -> Tensor:
        binary = nn.functional.binary_cross_entropy_with_logits(logits, targets[question], reduction="none")
        return binary.sum(1).mean()

    return loss
