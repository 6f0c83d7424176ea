"""The inputs of the scheduler: a few scalars per instance, from embeddings and prototypes.

For unit vectors v (image) and t (text) and K prototypes per modality (k-means centres of training embeddings),
p_v = softmax(v·P_v/τ_v) and p_t = softmax(t·P_t/τ_t):
  image_entropy  H(p_v)/log K, in [0, 1]
  text_entropy   H(p_t)/log K, in [0, 1]
  agreement      cos(v, t), in [-1, 1]
  divergence     Jensen-Shannon divergence, in [0, 1] (base 2), of v assigned to P_t and t assigned to P_v
  image_present, text_present  0 or 1
Further scalars of the text's tokens (``TOKEN_SIGNALS``) belong to the variant @2, not to plain MA-AFS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

PLAIN_SIGNALS = ("image_entropy", "text_entropy", "agreement", "divergence")
PRESENCE = ("image_present", "text_present")
TOKEN_SIGNALS = ("text_fertility", "text_fragments")


class Prototypes(nn.Module):
    """K unit-length prototypes per modality with their temperatures; p = softmax(x·P/τ).

    image, text: float32 (K, d). Prototype k of one modality is the centre of the same training pairs as
    prototype k of the other, so that assignments can be compared across modalities.
    """

    image: Tensor
    text: Tensor
    image_tau: Tensor
    text_tau: Tensor
    cross_tau: Tensor

    def __init__(self, k: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("image", torch.zeros(k, dim))
        self.register_buffer("text", torch.zeros(k, dim))
        for name in ("image_tau", "text_tau", "cross_tau"):
            self.register_buffer(name, torch.ones(()))

    def image_entropy(self, v: Tensor) -> Tensor:
        """(n, d) -> (n,), in [0, 1]."""
        return normalised_entropy(v @ self.image.T / self.image_tau)

    def text_entropy(self, t: Tensor) -> Tensor:
        """(n, d) -> (n,), in [0, 1]."""
        return normalised_entropy(t @ self.text.T / self.text_tau)

    def image_assignment(self, v: Tensor) -> Tensor:
        """Images against the text prototypes: (n, d) -> log-probabilities (n, K)."""
        return (v @ self.text.T / self.cross_tau).log_softmax(-1)

    def text_assignment(self, t: Tensor) -> Tensor:
        """Texts against the image prototypes: (n, d) -> log-probabilities (n, K)."""
        return (t @ self.image.T / self.cross_tau).log_softmax(-1)


def normalised_entropy(logits: Tensor) -> Tensor:
    """Shannon entropy of softmax(logits) over log K: (n, K) -> (n,), in [0, 1]."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1) / math.log(logits.shape[-1])


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Jensen-Shannon divergence in bits: two (n, K) log-probabilities -> (n,), in [0, 1]."""
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    left = (log_p.exp() * (log_p - log_m)).sum(-1)
    right = (log_q.exp() * (log_q - log_m)).sum(-1)
    return (left + right) / (2 * math.log(2))


class Standardise(nn.Module):
    """(x - mean)/deviation of each signal over the clean training pairs; presence bits are unchanged."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("mean", torch.zeros(len(self.names)))
        self.register_buffer("deviation", torch.ones(len(self.names)))

    def forward(self, signals: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Signals (n,) each and presence (n, 2) -> (n, S + 2).

        A signal of a missing modality is set to 0, the training mean.
        """
        columns = torch.stack([signals[name] for name in self.names], dim=1)
        columns = (columns - self.mean) / self.deviation
        there = torch.stack([_known(name, present) for name in self.names], dim=1)
        return torch.cat([columns * there, present], dim=1)


def _known(name: str, present: Tensor) -> Tensor:
    """Whether the modalities that a signal depends on are present: (n, 2) -> (n,)."""
    if name.startswith("image"):
        return present[:, 0]
    if name.startswith("text"):
        return present[:, 1]
    return present.prod(dim=1)


def pair_signals(
    prototypes: Prototypes, v: Tensor, t: Tensor, extra: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """All signals of aligned pairs: v, t (n, d), unit length; ``extra`` (n,) each -> (n,) each."""
    return {
        "image_entropy": prototypes.image_entropy(v),
        "text_entropy": prototypes.text_entropy(t),
        "agreement": (v * t).sum(-1),
        "divergence": jensen_shannon(prototypes.image_assignment(v), prototypes.text_assignment(t)),
        **extra,
    }


def fit_prototypes(v: Tensor, t: Tensor, k: int, generator: torch.Generator) -> Prototypes:
    """Prototypes and temperatures from clean, matched, unlabelled pairs: v, t (n, d), unit length.

    Spherical k-means (Dhillon and Modha, 2001) on the mean of both modalities; each modality's prototype is
    the centre of its members. The temperatures give a mean normalised entropy of one half, so that the entropy
    can rise and fall.
    """
    k = min(k, len(v))
    prototypes = Prototypes(k, v.shape[1])
    joint = nn.functional.normalize(_centred(v) + _centred(t), dim=-1)
    members = _spherical_kmeans(joint, k, generator)
    for name, x in (("image", v), ("text", t)):
        centres = torch.zeros(k, x.shape[1]).index_add_(0, members, x)
        getattr(prototypes, name).copy_(nn.functional.normalize(centres, dim=-1))
    prototypes.image_tau.copy_(_half_entropy(v @ prototypes.image.T))
    prototypes.text_tau.copy_(_half_entropy(t @ prototypes.text.T))
    cross = torch.cat([v @ prototypes.text.T, t @ prototypes.image.T])
    prototypes.cross_tau.copy_(_half_entropy(cross))
    return prototypes


def _centred(x: Tensor) -> Tensor:
    """Subtract the modality's mean: image and text embeddings are in two separate narrow cones."""
    return nn.functional.normalize(x - x.mean(0), dim=-1)


def _spherical_kmeans(x: Tensor, k: int, generator: torch.Generator, steps: int = 30) -> Tensor:
    """Cluster unit vectors (n, d) by cosine -> membership (n,); no cluster is empty."""
    centres = x[torch.randperm(len(x), generator=generator)[:k]]
    members = (x @ centres.T).argmax(1)
    for _ in range(steps):
        sums = torch.zeros_like(centres).index_add_(0, members, x)
        empty = torch.bincount(members, minlength=k) == 0
        if empty.any():
            farthest = (x @ centres.T).amax(1).argsort()[: int(empty.sum())]
            sums[empty] = x[farthest]
        centres = nn.functional.normalize(sums, dim=-1)
        updated = (x @ centres.T).argmax(1)
        if torch.equal(updated, members):
            break
        members = updated
    own = torch.arange(k)
    members[(centres @ x.T).argmax(1)] = own
    return members


def _half_entropy(similarities: Tensor) -> Tensor:
    """Find by bisection the temperature at which the mean normalised entropy of (n, K) is 1/2."""
    low, high = torch.tensor(1e-4), torch.tensor(10.0)
    for _ in range(40):
        middle = (low * high).sqrt()
        above = normalised_entropy(similarities / middle).mean() > 0.5
        low, high = (low, middle) if above else (middle, high)
    return (low * high).sqrt()
