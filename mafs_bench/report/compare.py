"""Models on the same samples, cell by cell: paired differences, tests, corrections, effect sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mafs_bench.errors import UsageError
from mafs_bench.report.comparable import comparable_runs
from mafs_bench.report.pairs import (
    CLEAN,
    Key,
    cells_of,
    counted_keys,
    families_of,
    label,
    metric_named,
    require_equal,
    shared_keys,
    shared_tasks,
)
from mafs_bench.report.provenance import differing_settings, other_inputs, shown_cells
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.intervals import estimate, has_exact_tail
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    common_rows,
    difference,
    mean,
    replicate_paired,
)
from mafs_bench.stats.robustness import balanced_mean_of, brought_to_all_rows, paired_mmi
from mafs_bench.stats.significance import (
    benjamini_hochberg,
    cluster_permutations,
    effect_size,
    holm,
    mcnemar,
    t_test,
    wilcoxon,
)
from mafs_bench.types import Estimate, Metric

_EQUAL = ("dataset", "split", "revision", "suite_hash", "seed")
OTHER_INPUTS = "other inputs: inconclusive"
_PERMUTATIONS, _LEAST_P = 10_000, 20
"""Permutations: this many, or so many that the least p, corrected over the grid, is alpha / 20."""
MEAN, BALANCED, MMI = "corrupted, mean", "corrupted, families equally", "MMI"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of two models: ``difference`` is model − baseline over the rows that both score.

    condition: ``clean``, ``<corruption>-<severity>``, or one of MEAN, BALANCED and MMI. effect: Cohen's d_z
    over clusters. p: sign-flip permutation over clusters (exact: all enumerated), the interval inverted, or the
    bootstrap t test.
    holm, bh: p corrected over the grid (or over the summaries). mcnemar, wilcoxon: uncorrected checks, None
    where they do not apply.
    """

    task: str
    metric: str
    condition: str
    baseline: str
    model: str
    baseline_score: Estimate
    score: Estimate
    difference: Estimate
    effect: float | None
    test: str
    p: float | None
    holm: float | None = None
    bh: float | None = None
    mcnemar: float | None = None
    wilcoxon: float | None = None


@dataclass(frozen=True)
class ComparedRuns:
    """All comparisons of runs with the first of them. summaries: MEAN, BALANCED and MMI; grid: every shared cell.

    MEAN is the mean over cells, each brought to all rows (``stats.robustness.on_all_rows``); BALANCED weighs families
    equally, and is there where they are known and several.

    runs: the parts that were compared: the tasks asked for, over the samples that all have.
    """

    runs: tuple[StoredRun, ...]
    summaries: tuple[Comparison, ...]
    grid: tuple[Comparison, ...]
    notes: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """A row per task, model and condition: both scores, the difference with its interval, and the tests."""
        from mafs_bench.report.comparison_tables import full_table

        return full_table(self).to_frame()


def compare_runs(
    runs: Sequence[StoredRun],
    metric: str | None = None,
    n_resamples: int = 2000,
    alpha: float = 0.05,
    tasks: Sequence[str] = (),
) -> ComparedRuns:
    """Compare every run with the first one, over the cells, tasks and samples that they share.

    ``metric`` None: each task's primary one; ``tasks`` empty: all that they share. A cell whose inputs were other bytes
    is shown but not tested. Raises ``UsageError`` where data set, suite or seed differ, and as ``comparable_runs``.
    """
    if len(runs) < 2:
        raise UsageError(f"{len(runs)} run to compare; allowed: two or more")
    require_equal(runs, _EQUAL)
    comparable = comparable_runs(runs, metric, tasks)
    pairs = _pairs(comparable.runs, metric, comparable.by_sample)
    n_tests = sum(len(pair.keys) for pair in pairs)
    n_permutations = max(_PERMUTATIONS, int(np.ceil(_LEAST_P * n_tests / alpha)))
    summaries: list[Comparison] = []
    grid: list[Comparison] = []
    notes: list[str | None] = [*comparable.notes]
    notes += [note for run in comparable.runs for note in run.spec.training_notes]
    for pair in pairs:
        cells = list(_compare_cells(pair, n_resamples))
        counted = counted_keys(pair.baseline, pair.keys)
        same = [cell for cell in cells if cell.key in counted.keys and cell.key not in pair.other_inputs]
        summaries += [] if CLEAN in pair.other_inputs else _summaries(pair, same, cells[0])
        grid += _untested(pair, _permuted(pair, [cell.row for cell in cells], n_permutations))
        notes += [counted.note, _inputs_note(pair)]
    kept = dict.fromkeys(note for note in notes if note)
    return ComparedRuns(comparable.runs, tuple(_corrected(summaries)), tuple(_corrected(grid)), tuple(kept))


@dataclass(frozen=True, slots=True)
class _Pair:
    """One task of two runs, with the cells that both have. other_inputs: those that were made from other bytes."""

    task: str
    metric: Metric
    baseline: StoredRun
    model: StoredRun
    baseline_name: str
    model_name: str
    keys: list[Key]
    other_inputs: list[Key]

    def frames(self, key: Key) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The two frames of a cell, baseline first."""
        ours, theirs = (run.frame(cells_of(run, self.task)[key]) for run in (self.baseline, self.model))
        return ours, theirs


def _pairs(runs: Sequence[StoredRun], metric: str | None, by_sample: bool) -> list[_Pair]:
    """``by_sample``: the runs' content hashes are of other samples and say nothing about those that are compared."""
    names = names_of(runs)
    return [
        _Pair(
            task,
            metric_named(task, metric),
            runs[0],
            run,
            names[0],
            name,
            shared_keys((runs[0], run), task),
            [] if by_sample else other_inputs(runs[0], run, task),
        )
        for task in shared_tasks(runs)
        for run, name in zip(runs[1:], names[1:], strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Cell:
    """clean, corrupted: baseline and model, over the rows that all four score."""

    key: Key
    row: Comparison
    clean: tuple[Replicates, Replicates]
    corrupted: tuple[Replicates, Replicates]


def _compare_cells(pair: _Pair, n_resamples: int) -> Iterator[_Cell]:
    clean_frames = pair.frames(CLEAN)
    groups = pd.concat([frame["group"] for frame in clean_frames])
    resampling = Resampling(groups, n_resamples, pair.baseline.spec.seed)
    for key in pair.keys:
        frames = pair.frames(key)
        made = replicate_paired(pair.metric, [*clean_frames, *frames], resampling)
        hits, ranks = _checks(pair.metric, frames)
        row = replace(_row(pair, label(key), made[2], made[3]), mcnemar=hits, wilcoxon=ranks)
        yield _Cell(key, row, (made[0], made[1]), (made[2], made[3]))


def _row(pair: _Pair, condition: str, baseline: Replicates, model: Replicates) -> Comparison:
    change = difference(model, baseline)
    return Comparison(
        pair.task,
        pair.metric.name,
        condition,
        pair.baseline_name,
        pair.model_name,
        estimate(baseline),
        estimate(model),
        estimate(change),
        effect_size(change),
        "interval" if has_exact_tail(change) else "bootstrap t",
        t_test(change).p,
    )


def _summaries(pair: _Pair, cells: Sequence[_Cell], whole: _Cell) -> list[Comparison]:
    """Means over ``cells``, whose corruption does not apply to all rows; ``whole`` is the clean cell."""
    cells = [cell for cell in cells if cell.corrupted[0].n]
    if not cells:
        return []
    made = [_means(pair, cells, whole.clean[side], side) for side in (0, 1)]
    rows = [_row(pair, MEAN, made[0][0], made[1][0])]
    if made[0][1] is not None and made[1][1] is not None:
        rows.append(_row(pair, BALANCED, made[0][1], made[1][1]))
    impacts = [paired_mmi([(cell.clean[side], cell.corrupted[side]) for cell in cells]) for side in (0, 1)]
    return [*rows, _row(pair, MMI, *impacts)]


def _means(
    pair: _Pair, cells: Sequence[_Cell], clean: Replicates, side: int
) -> tuple[Replicates, Replicates | None]:
    """The mean over cells, and that in which families weigh equally; None where there are not several."""
    brought = {cell.key: brought_to_all_rows(clean, cell.clean[side], cell.corrupted[side]) for cell in cells}
    names = list(dict.fromkeys(str(key[0]) for key in brought))
    families = families_of(pair.baseline)
    known = [families[name] for name in names if name in families]
    if len(known) < len(names) or len(set(known)) < 2:
        return mean(list(brought.values())), None
    of_each = [mean([one for key, one in brought.items() if key[0] == name]) for name in names]
    return mean(list(brought.values())), balanced_mean_of(of_each, known)


def _checks(metric: Metric, frames: Sequence[pd.DataFrame]) -> tuple[float | None, float | None]:
    """p of McNemar and of Wilcoxon on the rows' own scores, for metrics that are means of them."""
    (baseline, model), _ = common_rows(metric, frames)
    if metric.columns is None or len(model) == 0:
        return None, None
    columns = [metric.columns(frame) for frame in (model, baseline)]
    counted = columns[0][:, -1] == 1
    if columns[0].shape[1] != 2 or not np.isin(columns[0][:, 1], (0, 1)).all():
        return None, None
    a, b = (part[counted, 0] for part in columns)
    hits = bool(np.isin([a, b], (0, 1)).all())
    groups = model["group"].to_numpy()[counted]
    return mcnemar(a, b).p if hits else None, wilcoxon(a, b, groups).p


def _permuted(pair: _Pair, rows: Sequence[Comparison], n_permutations: int) -> list[Comparison]:
    """Test by permutation what is a function of sums; weighted metrics keep the bootstrap t test."""
    if pair.metric.columns is None:
        return list(rows)
    frames = (pair.frames(key) for key in pair.keys)
    cells = ((pair.metric, model, baseline) for baseline, model in frames)
    results = cluster_permutations(cells, n_permutations, pair.baseline.spec.seed)
    return [
        replace(row, p=result.p, test="sign flip, exact" if result.exact else "sign flip")
        for row, result in zip(rows, results, strict=True)
    ]


def _corrected(rows: Sequence[Comparison]) -> list[Comparison]:
    p_values = [row.p for row in rows]
    pairs = zip(rows, holm(p_values), benjamini_hochberg(p_values), strict=True)
    return [replace(row, holm=strict, bh=loose) for row, strict, loose in pairs]


def _untested(pair: _Pair, rows: Sequence[Comparison]) -> list[Comparison]:
    """Take the tests from cells of other inputs: a difference cannot be put down to the model."""
    return [
        replace(row, p=None, test=OTHER_INPUTS, mcnemar=None, wilcoxon=None)
        if key in pair.other_inputs
        else row
        for key, row in zip(pair.keys, rows, strict=True)
    ]


def _inputs_note(pair: _Pair) -> str | None:
    if not pair.other_inputs:
        return None
    differing = "; ".join(differing_settings(pair.baseline.spec, pair.model.spec)) or "in no recorded version"
    return (
        f"{pair.task}: inconclusive, other inputs: {pair.model_name} and {pair.baseline_name} were not given the same "
        f"bytes in {shown_cells(pair.other_inputs)}; {pair.baseline_name} / {pair.model_name} differ: {differing}"
    )


def names_of(runs: Sequence[StoredRun]) -> list[str]:
    """The models' names, with the folder's where two are the same. Raises ``UsageError`` for one run twice."""
    models = [run.spec.model for run in runs]
    paths = [str(run.path) for run in runs]
    if len(set(paths)) < len(paths):
        raise UsageError(f"{next(p for p in paths if paths.count(p) > 1)} is named twice; allowed: once")
    folders = [run.path.name for run in runs]
    shown = folders if len(set(folders)) == len(folders) else paths
    return [
        model if models.count(model) == 1 else f"{model} ({folder})"
        for model, folder in zip(models, shown, strict=True)
    ]
