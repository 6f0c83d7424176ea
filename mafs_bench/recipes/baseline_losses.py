"""Losses that ALBEF and BLIP have in common, and the auxiliary one that makes small budgets go far."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from mafs_bench.datasets.scenes.world import GROUP_FIELDS, SETTING_FIELDS
from mafs_bench.recipes.backbone_data import CLAIM_BITS, IGNORED, QUARTER_CLASSES

QUARTERS = 4
_FIELD_SIZES = [*map(len, (GROUP_FIELDS | SETTING_FIELDS).values())]


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
    """Reads off the image states what stands where; thrown away in the end.

    What stands in a quarter is read off the patches that lie in it; what there is at all, wherever, off the class
    token, from which contrast reads.
    """

    def __init__(self, width: int, side: int) -> None:
        """``side``: patches along an edge of the picture, an even number."""
        super().__init__()
        self.half_side = side // 2
        self.quarters = nn.Linear(self.half_side**2 * width, sum(QUARTER_CLASSES))
        self.whole = nn.Linear(width, sum(_FIELD_SIZES))

    def forward(self, states: torch.Tensor, quarters: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the quarters plus that of the whole, class token first in (n, tokens, width).

        quarters: as in ``SceneTargets``. facts: ``scene_facts``.
        """
        n, _, width = states.shape
        grid = states[:, 1:].reshape(n, 2, self.half_side, 2, self.half_side, width).transpose(2, 3)
        named = self.quarters(grid.reshape(n, QUARTERS, -1)).split(QUARTER_CLASSES, dim=-1)
        losses = [
            functional.cross_entropy(
                logits.flatten(0, 1), quarters[..., field].flatten(), ignore_index=IGNORED
            )
            for field, logits in enumerate(named)
        ]
        whole = functional.binary_cross_entropy_with_logits(self.whole(states[:, 0]), facts)
        return torch.stack(losses).mean() + whole


class ClaimHead(nn.Module):
    """Reads off a text's first state what a caption claims; thrown away in the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.claims = nn.Linear(width, 2 * CLAIM_BITS + 5)

    def forward(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean binary cross-entropy from states (n, l, width) to ``claim_targets`` (n, 97)."""
        return functional.binary_cross_entropy_with_logits(self.claims(states[:, 0]), targets)


class AgreementHead(nn.Module):
    """Reads off a fused pair which of the things that a caption speaks of are in the picture; thrown away in the end.

    One answer a field (shape, colour … light) and noun phrase: far more to learn from than "match" or not.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fields = nn.Linear(width, 2 * len(_FIELD_SIZES))

    def forward(self, states: torch.Tensor, claims: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        """Mean binary cross-entropy over the fields that captions narrow down.

        states (n, l, width) of pairs, ``claim_targets`` (n, 97) of their captions, ``scene_facts`` of their pictures.
        """
        logits = self.fields(states[:, 0])
        phrases = claims[:, : 2 * CLAIM_BITS].reshape(-1, 2, CLAIM_BITS)[..., : sum(_FIELD_SIZES)]
        allowed = torch.stack([part.sum(-1) for part in torch.split(phrases, _FIELD_SIZES, dim=-1)], dim=-1)
        seen = phrases * facts[:, None]
        there = torch.stack(
            [part.amax(-1) for part in torch.split(seen, _FIELD_SIZES, dim=-1)], dim=-1
        ).flatten(1)
        narrowed = ((allowed > 0) & (allowed < torch.tensor(_FIELD_SIZES))).flatten(1)
        return functional.binary_cross_entropy_with_logits(logits[narrowed], there[narrowed])
