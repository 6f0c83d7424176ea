"""The scheduler: standardised signals of an instance to its fusion weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mafs_bench.mafs.signals import Standardise


def masked_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Softmax over the modalities that are there: (n, 2), (n, 2) -> (n, 2).

    A missing modality gets exactly 0. With none there, both get 0: the caller answers with its prior.
    """
    masked = scores.masked_fill(present == 0, float("-inf"))
    top = masked.amax(-1, keepdim=True).clamp_min(torch.finfo(scores.dtype).min)
    weights = torch.exp(masked - top) * present
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)


class Scheduler(nn.Module):
    """Two-layer MLP over standardised signals, then a masked softmax: α = (α_image, α_text).

    ``names`` are the signals that it reads (presence bits are always appended). The last layer starts at
    zero, so that an untrained scheduler is the mean.
    """

    def __init__(self, names: Sequence[str], hidden: int = 32) -> None:
        super().__init__()
        self.standardise = Standardise(names)
        last = nn.Linear(hidden, 2)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(nn.Linear(len(names) + 2, hidden), nn.GELU(), last)

    def forward(self, signals: dict[str, Tensor], present: Tensor) -> Tensor:
        """Signals (n,) each, presence (n, 2) float -> α (n, 2), rows that sum to 1 where anything is there."""
        return masked_softmax(self.body(self.standardise(signals, present)), present)
