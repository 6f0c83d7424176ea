"""MA-AFS for cross-modal retrieval: two evidence scores per pair, weighted by the scheduler.

  e_v(i, j) = log p(t_j | v_i) over the training texts' bank plus t_j
  e_t(i, j) = log p(v_i | t_j) over the training images' bank plus v_i
  score = α_v e_v + α_t e_t
The banks come from the training split, never from the searched gallery.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mafs_bench.mafs.scheduler import Scheduler


class CrossModalFusion(nn.Module):
    """A scheduler, a temperature, and banks of unit vectors, image_bank (b, d) and text_bank (b, d)."""

    image_bank: Tensor
    text_bank: Tensor
    tau: Tensor

    def __init__(self, dim: int, bank: int, names: Sequence[str]) -> None:
        super().__init__()
        self.register_buffer("image_bank", torch.zeros(bank, dim))
        self.register_buffer("text_bank", torch.zeros(bank, dim))
        self.register_buffer("tau", torch.ones(()))
        self.scheduler = Scheduler(names)

    def image_mass(self, v: Tensor) -> Tensor:
        """log Σ over the bank of texts of exp(v·t/τ): (n, d) -> (n,)."""
        return torch.logsumexp(v @ self.text_bank.T / self.tau, dim=-1)

    def text_mass(self, t: Tensor) -> Tensor:
        """log Σ over the bank of images of exp(t·v/τ): (n, d) -> (n,)."""
        return torch.logsumexp(t @ self.image_bank.T / self.tau, dim=-1)

    def forward(
        self,
        agreement: Tensor,
        image_mass: Tensor,
        text_mass: Tensor,
        signals: dict[str, Tensor],
        present: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Scores (n,) and α (n, 2) of aligned pairs; agreement, image_mass, text_mass are (n,)."""
        logit = agreement / self.tau
        evidence = torch.stack(
            [logit - torch.logaddexp(image_mass, logit), logit - torch.logaddexp(text_mass, logit)], dim=1
        )
        alpha = self.scheduler(signals, present)
        return (alpha * evidence).sum(-1), alpha
