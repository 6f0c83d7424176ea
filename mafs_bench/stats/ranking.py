"""Ranks that the data support: intervals, tie groups, and never an order that is noise.

All take the replicates of one metric by model, resampled together (one ``Resampling``), better when higher.
Every pair is tested at one fixed level, ``PAIR_LEVEL``, whatever the number of models: a model that joins changes
no other pair's verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.stats

from mafs_bench.stats.resampling import Replicates, difference
from mafs_bench.stats.robustness import Definition
from mafs_bench.stats.significance import t_test

PAIR_LEVEL = 0.05 / 1000
"""The level of each paired test: at most 5 % that any of a thousand pairs (45 models) is separated by chance."""

DEFINITIONS: Mapping[str, Definition] = {
    "rank": Definition(
        "rank", "1 + number of models significantly better", "1 to the number of models", "counting"
    ),
    "rank_interval": Definition(
        "rank interval",
        "quantiles of the rank over resamples",
        "1 to the number of models",
        "bootstrap of ranks",
    ),
    "tie_group": Definition(
        "group",
        "cut where all above beat all below significantly",
        "1 and up",
        "pairwise tests, each at .05/1000",
    ),
}
"""name -> header, formula, range and source of every column of a ranking."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A model's place. value, rank and group are None where nothing of it could be scored.

    rank: 1 + the models significantly better. low, high: the interval of the bootstrap rank, widened to the rank,
    which allows for many comparisons and may be the better place. group: every model of a lower group number is
    significantly better; within a group some pairs may also differ significantly, as their ranks show.
    """

    model: str
    value: float | None
    rank: int | None
    low: int | None
    high: int | None
    group: int | None


def ranking(models: Mapping[str, Replicates], level: float = PAIR_LEVEL) -> list[Ranked]:
    """Order models by value with 95 % rank intervals and tie groups; the unscored come last, in name order.

    level: of each pair's test.
    """
    scored = {name: r for name, r in models.items() if not np.isnan(r.value)}
    order = sorted(scored, key=lambda name: (-scored[name].value, name))
    better = significantly_better(scored, level)
    bounds = rank_intervals(scored)
    group, rows = 0, []
    for place, name in enumerate(order):
        above, below = order[:place], order[place:]
        if all((a, b) in better for a in above for b in below):
            group += 1
        rank = 1 + sum((other, name) in better for other in order)
        low, high = bounds[name]
        rows.append(Ranked(name, scored[name].value, rank, min(low, rank), max(high, rank), group))
    rows += [Ranked(name, None, None, None, None, None) for name in sorted(set(models) - set(scored))]
    return rows


def rank_intervals(models: Mapping[str, Replicates], level: float = 0.95) -> dict[str, tuple[int, int]]:
    """Interval of each model's rank (1: best; ties share the mean rank) over the shared resamples.

    Quantiles of the ranks, rounded outwards. Source: Goldstein and Spiegelhalter, JRSS A 159 (1996).
    """
    if not models:
        return {}
    draws = np.stack([replicates.draws for replicates in models.values()])
    ranks = scipy.stats.rankdata(-draws[:, ~np.isnan(draws).any(axis=0)], axis=0)
    if ranks.shape[1] == 0:
        return {name: (1, len(models)) for name in models}
    low, high = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return {name: (int(np.floor(a)), int(np.ceil(b))) for name, a, b in zip(models, low, high, strict=True)}


def significantly_better(models: Mapping[str, Replicates], level: float = PAIR_LEVEL) -> set[tuple[str, str]]:
    """The pairs (better, worse) whose paired difference is significant at ``level``, by ``t_test``."""
    pairs = list(combinations(models, 2))
    changes = [difference(models[a], models[b]) for a, b in pairs]
    return {
        (a, b) if change.value > 0 else (b, a)
        for (a, b), change in zip(pairs, changes, strict=True)
        if (p := t_test(change).p) is not None and p <= level and change.value != 0
    }
