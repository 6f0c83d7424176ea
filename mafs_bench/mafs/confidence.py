"""Confidence-based fusions, adapted from class logits to embeddings: QMF, PDF and TMC.

The published methods weight the class predictions of each modality. Here a modality's "prediction" is its retrieval:
W_m x_m against the training captions, or against K learned class anchors if a method needs classes (the class of a
pair is its nearest image prototype). The docstring of each class states its adaptation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mafs_bench.mafs.fusion import FusionInput, Targets, WeightedFusion
from mafs_bench.mafs.scheduler import masked_softmax

CLASSES = 64


def _normalised(weights: Tensor, present: Tensor) -> Tensor:
    """Normalise non-negative weights (n, 2) over the modalities that are present."""
    kept = weights * present
    return kept / kept.sum(-1, keepdim=True).clamp_min(1e-12)


class _Unimodal(WeightedFusion):
    """A fusion with a linear class head per modality."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.heads = nn.ModuleList([nn.Linear(dim, CLASSES), nn.Linear(dim, CLASSES)])

    def class_logits(self, pairs: FusionInput) -> Tensor:
        """Logits per modality, (n, 2, K), from embeddings scaled to unit variance per dimension."""
        scale = pairs.v.shape[1] ** 0.5
        return torch.stack(
            [head(scale * x) for head, x in zip(self.heads, (pairs.v, pairs.t), strict=True)], dim=1
        )


def _class_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Cross-entropy per modality: (n, 2, K) -> (n, 2)."""
    labels = targets.label[:, None].expand(-1, 2)
    return nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")


class QMF(_Unimodal):
    """Quality-aware multimodal fusion (Zhang et al., ICML 2023).

    A modality's weight is its energy score, log Σ_k exp(logit_k) / 10; a ranking term makes the weight of a
    sample that the modality gets right larger than that of one it gets wrong. Adaptation: the weights multiply
    embeddings instead of logits, and correctness is the loss in this step instead of its running mean.
    """

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        return _normalised(self._energy(self.class_logits(pairs)), pairs.present)

    def extra_loss(self, pairs: FusionInput, alpha: Tensor, targets: Targets) -> Tensor:
        """The unimodal class losses and the ranking regulariser."""
        logits = self.class_logits(pairs)
        loss, energy = _class_loss(logits, targets), self._energy(logits)
        other = torch.arange(len(loss)).roll(1)
        right = torch.sign(loss[other] - loss).detach()
        ranking = nn.functional.relu((loss - loss[other]).abs().detach() - right * (energy - energy[other]))
        return ((loss + 0.1 * ranking) * pairs.present).mean()

    @staticmethod
    def _energy(logits: Tensor) -> Tensor:
        return (logits.logsumexp(-1) / 10).clamp_min(0)


class PDF(_Unimodal):
    """Predictive dynamic fusion (Cao et al., ICML 2024).

    A head per modality predicts the probability of the true class (mono-confidence p_m); holo-confidence is
    log p_other / log(p_image p_text); their sum is scaled down for the modality with the flatter class
    distribution. Adaptation: the weights multiply embeddings instead of logits.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.confidence = nn.ModuleList([self._head(dim), self._head(dim)])

    @staticmethod
    def _head(dim: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(dim, 32), nn.GELU(), nn.Linear(32, 1))

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        mono = self._mono(pairs)
        logs = mono.log()
        holo = logs.flip(1) / logs.sum(1, keepdim=True)
        uniformity = (self.class_logits(pairs).softmax(-1) - 1 / CLASSES).abs().mean(-1)
        calibration = (uniformity / uniformity.flip(1).clamp_min(1e-8)).clamp(max=1)
        return masked_softmax((mono + holo) * calibration, pairs.present)

    def extra_loss(self, pairs: FusionInput, alpha: Tensor, targets: Targets) -> Tensor:
        """The unimodal class losses and the error of the predicted confidence."""
        logits = self.class_logits(pairs)
        loss = _class_loss(logits, targets)
        error = (self._mono(pairs) - (-loss).exp().detach()).square()
        return ((loss + error) * pairs.present).mean()

    def _mono(self, pairs: FusionInput) -> Tensor:
        scale = pairs.v.shape[1] ** 0.5
        both = zip(self.confidence, (pairs.v, pairs.t), strict=True)
        return torch.cat([head(scale * x) for head, x in both], dim=1).sigmoid().clamp(0.01, 0.99)


class TMC(_Unimodal):
    """Trusted multi-view classification (Han et al., ICLR 2021).

    Each modality gives evidence for K classes, a Dirichlet distribution with uncertainty u = K / Σ(e + 1).
    Adaptation: instead of combining opinions by Dempster's rule, embeddings are weighted by the belief mass 1 - u;
    the evidential loss is the published one without its annealed KL term.
    """

    def weigh(self, pairs: FusionInput) -> Tensor:
        """α, (n, 2)."""
        strength = self._dirichlet(pairs).sum(-1)
        return _normalised(1 - CLASSES / strength + 1e-6, pairs.present)

    def extra_loss(self, pairs: FusionInput, alpha: Tensor, targets: Targets) -> Tensor:
        """The expected cross-entropy under each modality's Dirichlet distribution."""
        dirichlet = self._dirichlet(pairs)
        index = targets.label[:, None, None].expand(-1, 2, 1)
        own = dirichlet.gather(-1, index).squeeze(-1)
        loss = torch.digamma(dirichlet.sum(-1)) - torch.digamma(own)
        return (loss * pairs.present).mean()

    def _dirichlet(self, pairs: FusionInput) -> Tensor:
        return nn.functional.softplus(self.class_logits(pairs)) + 1
