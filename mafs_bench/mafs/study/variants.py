"""What the study compares: fusions, and MA-AFS without one signal or one loss term."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from mafs_bench.mafs.catalogue import get_fusion
from mafs_bench.mafs.fusion import ScheduledFusion, WeightedFusion
from mafs_bench.mafs.signals import PLAIN_SIGNALS, TOKEN_SIGNALS
from mafs_bench.mafs.training import Budget

FIXED = ("image-only", "text-only", "quarter-image", "mean", "quarter-text", "static")
"""Fusions whose weights are the same for every pair."""
ADAPTIVE = ("concat", "qmf", "pdf", "tmc")
METHODS = ("mafs", "mafs@2")
ORACLE = "oracle"


@dataclass(frozen=True)
class Variant:
    """One column of the study; ``kind`` is "fixed", "adaptive", "method", "ablation" or "oracle"."""

    name: str
    kind: str
    make: Callable[[int], WeightedFusion]
    budget: Budget


def variants(budget: Budget, tokens: Collection[str] = TOKEN_SIGNALS) -> list[Variant]:
    """All variants, with the same budget except for the loss term removed by an ablation.

    mafs@2 is left out if the backbone does not provide all of its ``tokens``.
    """
    kinds = dict.fromkeys(FIXED, "fixed") | dict.fromkeys(ADAPTIVE, "adaptive")
    kinds |= dict.fromkeys(methods(tokens), "method") | {ORACLE: "oracle"}
    listed = [Variant(name, kind, get_fusion(name).make, budget) for name, kind in kinds.items()]
    for signal in PLAIN_SIGNALS:
        listed.append(Variant(f"mafs without {signal}", "ablation", _without(signal), budget))
    mafs = get_fusion("mafs").make
    listed.append(Variant("mafs without uniform loss", "ablation", mafs, replace(budget, uniform=0.0)))
    listed.append(
        Variant("mafs without consistency loss", "ablation", mafs, replace(budget, consistency=0.0))
    )
    return listed


def methods(tokens: Collection[str]) -> list[str]:
    """The methods available for a backbone with these token signals."""
    return [name for name in METHODS if name != "mafs@2" or set(TOKEN_SIGNALS) <= set(tokens)]


def _without(signal: str) -> Callable[[int], WeightedFusion]:
    names = tuple(name for name in PLAIN_SIGNALS if name != signal)
    return lambda dim: ScheduledFusion(dim, names)
