"""Fusion of an image and a text embedding into one: z = norm(α_v W_v v + α_t W_t t).

Fusions differ in where α comes from; W_v and W_t are initialised to the identity and trained the same way for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mafs_bench.mafs.scheduler import Scheduler, masked_softmax


@dataclass(frozen=True)
class FusionInput:
    """n aligned pairs: v, t (n, d), unit length; signals (n,) each; present (n, 2), 0 or 1.

    corrupted: (n, 2), 1 if that modality was corrupted; both are 1 for mismatched pairs. Only the oracle may read it.
    """

    v: Tensor
    t: Tensor
    signals: dict[str, Tensor]
    present: Tensor
    corrupted: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """Targets for losses other than the task loss: label (n,), the prototype of each clean image."""

    label: Tensor


class WeightedFusion(nn.Module):
    """z = norm(α_v W_v v + α_t W_t t), α from ``weigh``."""

    not_for_weighing: ClassVar[tuple[str, ...]] = ("image.", "text.")
    """Prefixes of the parameters that ``weigh`` does not read: they are not stored if only α is used."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.image = nn.Linear(dim, dim, bias=False)
        self.text = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.image.weight)
        nn.init.eye_(self.text.weight)

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        raise NotImplementedError

    def forward(self, pairs: FusionInput) -> tuple[Tensor, Tensor]:
        """z (n, d), unit length, and α (n, 2). If both modalities are missing, z is the zero vector."""
        alpha = self.weigh(pairs)
        z = alpha[:, :1] * self.image(pairs.v) + alpha[:, 1:] * self.text(pairs.t)
        return nn.functional.normalize(z, dim=-1), alpha

    def extra_loss(self, pairs: FusionInput, alpha: Tensor, targets: Targets) -> Tensor:
        """A method's addition to the task loss; zero by default."""
        return alpha.new_zeros(())


class FixedFusion(WeightedFusion):
    """The same weights for every pair, normalised over the modalities that are present."""

    def __init__(self, dim: int, image: float, text: float) -> None:
        super().__init__(dim)
        self.register_buffer("scores", torch.log(torch.tensor([image, text])))

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        scores: Tensor = self.scores  # type: ignore[assignment]
        return masked_softmax(scores.expand(len(pairs.v), 2), pairs.present)


_QUICK = 10.0
"""Learning-rate factor for scalar weights, which start at zero, relative to matrices."""


class StaticFusion(WeightedFusion):
    """One learned weight for all pairs."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.scores = nn.Parameter(torch.zeros(2))

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        return masked_softmax(_QUICK * self.scores.expand(len(pairs.v), 2), pairs.present)


class ScheduledFusion(WeightedFusion):
    """MA-AFS: α from the scheduler."""

    def __init__(self, dim: int, names: Sequence[str]) -> None:
        super().__init__(dim)
        self.scheduler = Scheduler(names)

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        alpha: Tensor = self.scheduler(pairs.signals, pairs.present)
        return alpha


class ConcatFusion(WeightedFusion):
    """z = norm(W_v v + W_t t + MLP([v; t])): no weights; missing modalities are zeros."""

    not_for_weighing: ClassVar[tuple[str, ...]] = ("image.", "text.", "mlp.")

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        last = nn.Linear(dim, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU(), last)

    def weigh(self, pairs: FusionInput) -> Tensor:
        """Equal weights for the present modalities, (n, 2): the MLP has no weights to report."""
        return masked_softmax(torch.zeros_like(pairs.present), pairs.present)

    def forward(self, pairs: FusionInput) -> tuple[Tensor, Tensor]:
        """z (n, d), unit length, and ``weigh``."""
        v, t = pairs.v * pairs.present[:, :1], pairs.t * pairs.present[:, 1:]
        z = self.image(v) + self.text(t) + self.mlp(torch.cat([v, t], dim=-1))
        return nn.functional.normalize(z, dim=-1), self.weigh(pairs)


class OracleFusion(WeightedFusion):
    """Oracle: knows which modality was corrupted, or that the pair is mismatched, and learns weights per case.

    It is not a method, but shows what a rule could gain from knowing where the corruption is. It does not know the
    severity.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.scores = nn.Parameter(torch.zeros(4, 2))

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        if pairs.corrupted is None:
            raise ValueError("the oracle needs to know which modality was corrupted")
        case = (pairs.corrupted[:, 0] * 2 + pairs.corrupted[:, 1]).long()
        return masked_softmax(_QUICK * self.scores[case], pairs.present)
