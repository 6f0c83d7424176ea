"""Losses that ALBEF and BLIP have in common, and the auxiliary one that makes small budgets go far."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from mafs_bench.training.backbone_data import IGNORED, QUARTER_CLASSES, SceneTargets

QUARTERS = 4
_SETTINGS = (6, 4, 5)
"""Classes of background, pattern and light."""


def contrastive(
    images: torch.Tensor, texts: torch.Tensor, temperature: torch.Tensor, true: torch.Tensor
) -> torch.Tensor:
    """Image-text contrast over a batch of unit features (n, d), all true pairs of a row sharing its target."""
    logits = images @ texts.T / temperature
    rows = functional.cross_entropy(logits, true / true.sum(dim=1, keepdim=True))
    columns = functional.cross_entropy(logits.T, true.T / true.T.sum(dim=1, keepdim=True))
    return (rows + columns) / 2


def hard_negatives(
    similarities: torch.Tensor, true: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """For each row of (n, m) logits one column that is not true of it, the likelier the more similar."""
    allowed = similarities.detach().masked_fill(true, -torch.inf)
    return torch.multinomial(allowed.softmax(dim=1), 1, generator=generator)[:, 0]


def matching_labels(n: int) -> torch.Tensor:
    """Labels of n matched pairs, n with another text and n with another image: int64 (3n,)."""
    return torch.cat([torch.ones(n, dtype=torch.long), torch.zeros(2 * n, dtype=torch.long)])


class SceneHead(nn.Module):
    """Reads off the image states what stands in each quarter and how the scene is set; thrown away in the end.

    A quarter is read off the patches that lie in it, the setting off the class token.
    """

    def __init__(self, width: int, side: int) -> None:
        """``side``: patches along an edge of the picture, an even number."""
        super().__init__()
        self.half_side = side // 2
        self.quarters = nn.Linear(self.half_side**2 * width, sum(QUARTER_CLASSES))
        self.settings = nn.Linear(width, sum(_SETTINGS))

    def forward(self, states: torch.Tensor, targets: SceneTargets) -> torch.Tensor:
        """Mean cross-entropy over all that is known, from states (n, tokens, width), class token first."""
        n, _, width = states.shape
        grid = states[:, 1:].reshape(n, 2, self.half_side, 2, self.half_side, width).transpose(2, 3)
        quarters = self.quarters(grid.reshape(n, QUARTERS, -1)).split(QUARTER_CLASSES, dim=-1)
        settings = self.settings(states[:, 0]).split(_SETTINGS, dim=-1)
        losses = [
            functional.cross_entropy(
                logits.flatten(0, 1), targets.quarters[..., field].flatten(), ignore_index=IGNORED
            )
            for field, logits in enumerate(quarters)
        ]
        losses += [
            functional.cross_entropy(logits, targets.settings[:, field])
            for field, logits in enumerate(settings)
        ]
        return torch.stack(losses).mean()
