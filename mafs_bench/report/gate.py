"""The gate: is a model as good as a baseline, worse than the margin allows, or are the data inconclusive?

A claim is one metric on clean data or averaged over the corrupted cells, paired over the samples that both score. It
is broken where the loss exceeds the margin (Holm over all claims), and holds where the loss is shown to be smaller.
A pass needs every claim to hold, so that those tests need no correction. Fewer clusters than could show it are
inconclusive, and so is a claim about inputs that are not the baseline's. The baseline's own model passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import pandas as pd

from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.report.baseline import Baseline, require_identity
from mafs_bench.report.pairs import CLEAN, Key, cells_of, counted_keys, label, metric_named
from mafs_bench.report.provenance import compare_with_baseline
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.bounded import bounded_non_inferiority, clusters_to_exclude, least_margin
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    difference,
    mean,
    replicate_paired,
    unscored_rows,
)
from mafs_bench.stats.significance import clusters_that_decide, holm, inferiority, standard_error
from mafs_bench.tasks import get_task
from mafs_bench.types import Estimate, Metric, row_keys

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
    """One metric on one part of the grid. ``change`` is new - old, signed so that above 0 is better.

    p_holds: one-sided, of "not worse than the margin". p_broken: of "worse", Holm over all claims. needed: clusters
    that would decide, None where it is decided or no number would. least_margin: in points, what this number of
    clusters could pass at best; None where they are enough for the margin. lost: rows that the baseline scored and
    the model did not. other_inputs: cells whose inputs are not the baseline's.
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
    needed: int | None = None
    least_margin: float | None = None
    lost: int = 0
    other_inputs: int = 0


@dataclass(frozen=True)
class GateResult:
    """The outcome of a check: the gravest verdict of its claims. margin: in points.

    same_model: the run is of the baseline's own model on the baseline's own inputs.
    """

    baseline: str
    model: str
    margin: float
    alpha: float
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]
    same_model: bool = False

    @property
    def verdict(self) -> Verdict:
        """Regression where one claim is broken, else inconclusive where one is open, else pass."""
        verdicts = {claim.verdict for claim in self.claims}
        order = (Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.PASS)
        return next(verdict for verdict in order if verdict in verdicts)

    def table(self) -> pd.DataFrame:
        """A row per claim: both scores, the change with its interval, p-values and the verdict."""
        from mafs_bench.report.gate_output import gate_table

        return gate_table(self).to_frame()


def check_run(
    run: StoredRun,
    baseline: Baseline,
    margin: float = 1.0,
    alpha: float = 0.05,
    metrics: Sequence[str] = (),
) -> GateResult:
    """Compare a finished run with a baseline; ``margin`` in points, ``metrics`` empty: the primary ones.

    Raises as ``require_settings``, and ``UsageError`` where the run is of other data or lacks cells of the baseline.
    """
    require_settings(baseline, margin, alpha, metrics)
    require_identity(run)
    _require_same_data(run, baseline)
    _require_cells(run, baseline)
    found = compare_with_baseline(run, baseline)
    claims: list[_Open] = []
    notes = dict.fromkeys((*baseline.spec.training_notes, *run.spec.training_notes))
    for task, old in baseline.frames.items():
        cells = cells_of(run, task)
        new = {key: run.frame(cells[key]) for key in old}
        counted = counted_keys(run, list(old))
        notes.update({counted.note: None} if counted.note else {})
        parts = {"clean": [CLEAN], "corrupted, mean": counted.keys}
        for metric in _chosen(task, metrics):
            claims += [
                replace(
                    _open(metric, part, old, new, keys, baseline.spec.seed),
                    other_inputs=sum((task, key) in found.other_inputs for key in keys),
                )
                for part, keys in parts.items()
                if keys
            ]
    tested = _verdicts(claims, margin / POINTS, alpha)
    passes = found.same_model and not any(c.lost or c.verdict is Verdict.REGRESSION for c in tested)
    if passes:
        tested = [replace(c, verdict=Verdict.PASS, needed=None, least_margin=None) for c in tested]
    notes.update(dict.fromkeys(found.notes))
    return GateResult(baseline.spec.model, run.spec.model, margin, alpha, tuple(tested), tuple(notes), passes)


def require_settings(baseline: Baseline, margin: float, alpha: float, metrics: Sequence[str]) -> None:
    """Check what a user asks for, before a model is run.

    Raises ``UsageError`` for a margin or alpha out of range and for a metric without bounds, ``UnknownNameError``
    for a metric that no task of the baseline has.
    """
    if not margin > 0:
        raise UsageError(f"--margin {margin}: allowed is a number above 0, in points")
    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha {alpha}: allowed is a number between 0 and 0.5")
    known = {metric.name: metric for task in baseline.frames for metric in get_task(task).metrics}
    bounded = [name for name, metric in known.items() if np.isfinite(metric.high - metric.low)]
    for name in metrics:
        if name not in known:
            raise UnknownNameError(f"metric of {baseline.path}", name, known)
        if name not in bounded:
            raise UsageError(
                f"--metric {name} has no upper bound, so no number of samples shows that it lost less than a margin; "
                f"allowed: {', '.join(bounded)}"
            )


def _require_same_data(run: StoredRun, baseline: Baseline) -> None:
    for name in _EQUAL:
        ours, theirs = getattr(run.spec, name), getattr(baseline.spec, name)
        if ours != theirs:
            raise UsageError(
                f"{run.path} cannot be compared with {baseline.path}: {name} is {theirs!r} in the baseline and "
                f"{ours!r} in the run; run the model with `mafs-bench check --baseline {baseline.path} --model SPEC`"
            )


def _require_cells(run: StoredRun, baseline: Baseline) -> None:
    for task, old in baseline.frames.items():
        cells = cells_of(run, task)
        missing = [label(key) for key in old if key not in cells]
        if missing:
            raise UsageError(f"{run.path} lacks cells of the baseline: {task} {', '.join(missing[:5])}")


def _chosen(task: str, names: Sequence[str]) -> list[Metric]:
    """The metrics of a task that are asked for."""
    if not names:
        return [metric_named(task, None)]
    return [metric for metric in get_task(task).metrics if metric.name in names]


@dataclass(frozen=True, slots=True)
class _Open:
    """A claim not yet tested."""

    metric: Metric
    part: str
    old: Replicates
    new: Replicates
    change: Replicates
    lost: int
    other_inputs: int = 0

    @property
    def span(self) -> float:
        """How far one cluster can move the metric at most."""
        return self.metric.high - self.metric.low


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
    before, after = (mean(side) for side in zip(*pairs, strict=True))
    change = difference(after, before) if metric.higher_is_better else difference(before, after)
    lost = sum(_lost(metric, old[key], new[key]) for key in keys)
    return _Open(metric, part, before, after, change, lost)


def _lost(metric: Metric, old: pd.DataFrame, new: pd.DataFrame) -> int:
    """Rows that the baseline scored and the model did not, or has not at all."""
    keys = row_keys(old)
    scored = pd.MultiIndex.from_frame(new.loc[~unscored_rows(metric, new), keys])
    before = pd.MultiIndex.from_frame(old.loc[~unscored_rows(metric, old), keys])
    return int((~before.isin(scored)).sum())


def _verdicts(claims: Sequence[_Open], margin: float, alpha: float) -> list[Claim]:
    broken = holm([inferiority(claim.change, margin).p for claim in claims])
    return [
        _decide(claim, margin, alpha, alpha / len(claims), p) for claim, p in zip(claims, broken, strict=True)
    ]


def _decide(claim: _Open, margin: float, alpha: float, strict: float, broken: float | None) -> Claim:
    """``strict``: alpha of the first step of Holm, for the number of clusters that would show a loss."""
    n, least = claim.change.n_clusters, clusters_to_exclude(margin, claim.span, alpha)
    holds = bounded_non_inferiority(claim.change, margin, claim.span).p
    verdict = Verdict.INCONCLUSIVE
    if broken is not None and broken <= alpha:
        verdict = Verdict.REGRESSION
    elif holds is not None and holds <= alpha and n >= least and not claim.lost:
        verdict = Verdict.PASS
    if claim.other_inputs:
        verdict = Verdict.INCONCLUSIVE
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
        n,
        lost=claim.lost,
        other_inputs=claim.other_inputs,
    )
    if verdict is not Verdict.INCONCLUSIVE or claim.other_inputs:
        return decided
    return replace(
        decided,
        needed=_needed(claim, margin, strict, least),
        least_margin=least_margin(n, claim.span, alpha) * POINTS if n < least else None,
    )


def _needed(claim: _Open, margin: float, alpha: float, least: int) -> int | None:
    """Clusters that would decide with 80 % power: if nothing changed, and if what was seen is true."""
    change = claim.change
    error = standard_error(change)
    if error is None or claim.lost:
        return None
    effects = (margin, change.value + margin)
    sizes = [clusters_that_decide(error, change.n_clusters, effect, alpha) for effect in effects]
    known = [size for size in sizes if size is not None]
    return max(least, *known) if len(known) == len(sizes) else None
