"""The scheduler: maps the standardised signals of an instance to its fusion weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mafs_bench.mafs.signals import Standardise


def masked_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Softmax over the modalities that are present: (n, 2), (n, 2) -> (n, 2).

    A missing modality gets exactly 0. If both are missing, both get 0, and the caller uses its prior.
    """
    masked = scores.masked_fill(present == 0, float("-inf"))
    top = masked.amax(-1, keepdim=True).clamp_min(torch.finfo(scores.dtype).min)
    weights = torch.exp(masked - top) * present
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)


class Scheduler(nn.Module):
    """Two-layer MLP over standardised signals, then a masked softmax: α = (α_image, α_text).

    ``names`` are its signals (presence bits are always appended). The last layer is initialised to zero, so an
    untrained scheduler gives equal weights.
    """

    def __init__(self, names: Sequence[str], hidden: int = 32) -> None:
        super().__init__()
        self.standardise = Standardise(names)
        last = nn.Linear(hidden, 2)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(nn.Linear(len(names) + 2, hidden), nn.GELU(), last)

    def forward(self, signals: dict[str, Tensor], present: Tensor) -> Tensor:
        """Signals (n,) each, presence (n, 2) float -> α (n, 2); rows sum to 1 unless both modalities are missing."""
        return masked_softmax(self.body(self.standardise(signals, present)), present)
