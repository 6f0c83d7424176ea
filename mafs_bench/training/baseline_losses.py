"""Losses that ALBEF and BLIP have in common, and the auxiliary one that makes small budgets go far."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from mafs_bench.training.backbone_data import CLAIM_BITS, IGNORED, QUARTER_CLASSES, SceneTargets

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


def matching_rows(
    similarities: torch.Tensor, true: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, texts and labels of 2n pairs: n that match, then n hard ones that do not, int64 (2n,) each.

    Of those every other one has another text, the rest another image.
    """
    own = torch.arange(len(true))
    other_text = hard_negatives(similarities, true, generator)
    other_image = hard_negatives(similarities.T, true.T, generator)
    text_differs = own % 2 == 0
    images = torch.cat([own, torch.where(text_differs, own, other_image)])
    texts = torch.cat([own, torch.where(text_differs, other_text, own)])
    return images, texts, torch.cat([torch.ones_like(own), torch.zeros_like(own)])


class SceneHead(nn.Module):
    """Reads off the image states what stands in each quarter and how the scene is set; thrown away in the end.

    A quarter is read off the patches that lie in it, and everything off the class token, from which contrast reads.
    """

    def __init__(self, width: int, side: int) -> None:
        """``side``: patches along an edge of the picture, an even number."""
        super().__init__()
        self.half_side = side // 2
        self.quarters = nn.Linear(self.half_side**2 * width, sum(QUARTER_CLASSES))
        self.whole = nn.Linear(width, QUARTERS * sum(QUARTER_CLASSES) + sum(_SETTINGS))

    def forward(self, states: torch.Tensor, targets: SceneTargets) -> torch.Tensor:
        """Mean cross-entropy over all that is known, from states (n, tokens, width), class token first."""
        n, _, width = states.shape
        grid = states[:, 1:].reshape(n, 2, self.half_side, 2, self.half_side, width).transpose(2, 3)
        near = self.quarters(grid.reshape(n, QUARTERS, -1))
        far, settings = self.whole(states[:, 0]).split([QUARTERS * near.shape[-1], sum(_SETTINGS)], dim=-1)
        losses = [
            functional.cross_entropy(
                logits.flatten(0, 1), targets.quarters[..., field].flatten(), ignore_index=IGNORED
            )
            for read in (near, far.view(n, QUARTERS, -1))
            for field, logits in enumerate(read.split(QUARTER_CLASSES, dim=-1))
        ]
        losses += [
            functional.cross_entropy(logits, targets.settings[:, field])
            for field, logits in enumerate(settings.split(_SETTINGS, dim=-1))
        ]
        return torch.stack(losses).mean()


class ClaimHead(nn.Module):
    """Reads off a text's first state what a caption claims; thrown away in the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.claims = nn.Linear(width, 2 * CLAIM_BITS + 5)

    def forward(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean binary cross-entropy from states (n, l, width) to ``claim_targets`` (n, 97)."""
        return functional.binary_cross_entropy_with_logits(self.claims(states[:, 0]), targets)
