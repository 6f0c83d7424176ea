"""The gate: is a model as good as a baseline, worse than the margin allows, or can the data not tell?

A claim is one metric on clean data or averaged over the corrupted cells. Each is tested for non-inferiority
(new − old > −margin) and for the opposite, paired over the samples that both score, Holm over all claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import pandas as pd

from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.metrics import metrics_of
from mafs_bench.report.baseline import Baseline
from mafs_bench.report.pairs import CLEAN, Key, cells_of, counted_keys, label, metric_named
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.resampling import (
    Array,
    Replicates,
    Resampling,
    combine,
    estimate,
    replicate_paired,
    unscored_rows,
)
from mafs_bench.stats.significance import (
    clusters_that_decide,
    holm,
    inferiority,
    non_inferiority,
    standard_error,
)
from mafs_bench.types import Estimate, Metric

POINTS = 100
"""Margins are in points: hundredths of the metric's unit, as papers print recall (61.3) and CIDEr (133.3)."""
_EQUAL = ("dataset", "split", "revision", "suite_hash", "seed", "limit")
_N_RESAMPLES = 4000


class Verdict(IntEnum):
    """How a check ends; the number is the exit code."""

    PASS = 0
    REGRESSION = 1
    INCONCLUSIVE = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """One metric on one part of the grid. ``change`` is new − old, signed so that above 0 is better.

    p_holds, p_broken: one-sided, Holm over all claims: of "not worse than the margin" and of "worse". needed:
    clusters that would decide (None where it is decided, or no number would). lost: rows that the baseline
    scored and the model did not.
    """

    task: str
    metric: str
    part: str
    old: Estimate
    new: Estimate
    change: Estimate
    p_holds: float | None
    p_broken: float | None
    verdict: Verdict
    n_clusters: int
    needed: int | None
    lost: int


@dataclass(frozen=True)
class GateResult:
    """The outcome of a check: the gravest verdict of its claims. margin: in points."""

    baseline: str
    model: str
    margin: float
    alpha: float
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Regression where one claim is broken, else inconclusive where one is open, else pass."""
        verdicts = {claim.verdict for claim in self.claims}
        order = (Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.PASS)
        return next(verdict for verdict in order if verdict in verdicts)


def check_run(
    run: StoredRun,
    baseline: Baseline,
    margin: float = 1.0,
    alpha: float = 0.05,
    metrics: Sequence[str] = (),
) -> GateResult:
    """Hold a finished run against a baseline; ``margin`` in points, ``metrics`` empty: the primary ones.

    Raises as ``require_settings``, and ``UsageError`` where the run is of other data or lacks cells of the baseline.
    """
    require_settings(baseline, margin, alpha, metrics)
    _require_same_data(run, baseline)
    claims: list[_Open] = []
    notes: dict[str, None] = {}
    for task, old in baseline.frames.items():
        cells = cells_of(run, task)
        missing = [label(key) for key in old if key not in cells]
        if missing:
            raise UsageError(f"{run.path} lacks cells of the baseline: {task} {', '.join(missing[:5])}")
        new = {key: run.frame(cells[key]) for key in old}
        counted = counted_keys(run, list(old))
        notes.update({counted.note: None} if counted.note else {})
        parts = {"clean": [CLEAN], "corrupted, mean": counted.keys}
        for metric in _chosen(task, metrics):
            claims += [
                _open(metric, part, old, new, keys, baseline.spec.seed)
                for part, keys in parts.items()
                if keys
            ]
    tested = _verdicts(claims, margin / POINTS, alpha)
    return GateResult(baseline.spec.model, run.spec.model, margin, alpha, tuple(tested), tuple(notes))


def require_settings(baseline: Baseline, margin: float, alpha: float, metrics: Sequence[str]) -> None:
    """Check what a user asks for, before a model is run.

    Raises ``UsageError`` for a margin or alpha out of range, ``UnknownNameError`` for a metric that no task of the
    baseline has.
    """
    if not margin > 0:
        raise UsageError(f"--margin {margin}: allowed is a number above 0, in points")
    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha {alpha}: allowed is a number between 0 and 0.5")
    known = [metric.name for task in baseline.frames for metric in metrics_of(task)]
    for name in metrics:
        if name not in known:
            raise UnknownNameError(f"metric of {baseline.path}", name, known)


def _require_same_data(run: StoredRun, baseline: Baseline) -> None:
    for name in _EQUAL:
        ours, theirs = getattr(run.spec, name), getattr(baseline.spec, name)
        if ours != theirs:
            raise UsageError(
                f"{run.path} cannot be held against {baseline.path}: {name} is {ours!r} there, {theirs!r} here"
            )


def _chosen(task: str, names: Sequence[str]) -> list[Metric]:
    """The metrics of a task that are asked for."""
    if not names:
        return [metric_named(task, None)]
    return [metric for metric in metrics_of(task) if metric.name in names]


@dataclass(frozen=True, slots=True)
class _Open:
    """A claim not yet tested."""

    metric: Metric
    part: str
    old: Replicates
    new: Replicates
    change: Replicates
    lost: int
    unchanged: bool

    @property
    def constant(self) -> bool:
        """Whether no cluster changed the metric: resampling sees no spread, though there may be some."""
        return standard_error(self.change) == 0 and self.change.value == 0


def _open(
    metric: Metric,
    part: str,
    old: Mapping[Key, pd.DataFrame],
    new: Mapping[Key, pd.DataFrame],
    keys: Sequence[Key],
    seed: int,
) -> _Open:
    resampling = Resampling(old[CLEAN]["group"], _N_RESAMPLES, seed)
    pairs = [replicate_paired(metric, (old[key], new[key]), resampling) for key in keys]
    before, after = (combine(_mean, *side) for side in zip(*pairs, strict=True))
    sign = 1.0 if metric.higher_is_better else -1.0
    change = combine(lambda a, b: sign * (b - a), before, after)
    lost = sum(_lost(metric, old[key], new[key]) for key in keys)
    unchanged = all(_same_scores(old[key], new[key]) for key in keys)
    return _Open(metric, part, before, after, change, lost, unchanged)


def _same_scores(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Whether a model gives every sample the score that it had: then nothing has changed."""
    before, after = (frame["score"].to_numpy(dtype=np.float64) for frame in (old, new))
    return list(old["id"]) == list(new["id"]) and np.array_equal(before, after, equal_nan=True)


def _mean(*scores: Array) -> Array:
    return np.asarray(np.mean(np.asarray(scores), axis=0))


def _lost(metric: Metric, old: pd.DataFrame, new: pd.DataFrame) -> int:
    """Rows that the baseline scored and the model did not, or has not at all."""
    keys = ["id", "direction"] if "direction" in old else ["id"]
    scored = pd.MultiIndex.from_frame(new.loc[~unscored_rows(metric, new), keys])
    before = pd.MultiIndex.from_frame(old.loc[~unscored_rows(metric, old), keys])
    return int((~before.isin(scored)).sum())


def _verdicts(claims: Sequence[_Open], margin: float, alpha: float) -> list[Claim]:
    holds = holm([_p_holds(claim, margin) for claim in claims])
    broken = holm([inferiority(claim.change, margin).p for claim in claims])
    return [
        _decide(claim, margin, alpha / len(claims), alpha, *p_values)
        for claim, *p_values in zip(claims, holds, broken, strict=True)
    ]


def _p_holds(claim: _Open, margin: float) -> float | None:
    """p of non-inferiority; where no cluster changed the metric, the chance to see none of those that must.

    A loss of ``margin`` takes at least margin / range of the clusters, so none of n is seen with probability
    (1 − margin / range)^n at most.
    """
    if claim.unchanged or not claim.constant:
        return non_inferiority(claim.change, margin).p
    return float((1 - _share(claim, margin)) ** claim.change.n_clusters)


def _share(claim: _Open, margin: float) -> float:
    return min(1.0, margin / (claim.metric.high - claim.metric.low))


def _decide(
    claim: _Open, margin: float, strict: float, alpha: float, holds: float | None, broken: float | None
) -> Claim:
    verdict = Verdict.INCONCLUSIVE
    if broken is not None and broken <= alpha:
        verdict = Verdict.REGRESSION
    elif holds is not None and holds <= alpha and not claim.lost:
        verdict = Verdict.PASS
    decided = Claim(
        claim.metric.task,
        claim.metric.name,
        claim.part,
        estimate(claim.old),
        estimate(claim.new),
        estimate(claim.change),
        holds,
        broken,
        verdict,
        claim.change.n_clusters,
        None,
        claim.lost,
    )
    if verdict is not Verdict.INCONCLUSIVE:
        return decided
    return replace(decided, needed=_needed(claim, margin, strict))


def _needed(claim: _Open, margin: float, alpha: float) -> int | None:
    """Clusters that would decide with 80 % power: if nothing changed, and if what was seen is true."""
    change = claim.change
    if claim.constant:
        return int(np.ceil(np.log(alpha) / np.log1p(-_share(claim, margin))))
    error = standard_error(change)
    if error is None:
        return None
    effects = (margin, change.value + margin)
    sizes = [clusters_that_decide(error, change.n_clusters, effect, alpha) for effect in effects]
    return None if None in sizes else max(size for size in sizes if size is not None)
