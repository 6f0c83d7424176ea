"""The field's robustness measures of several runs, always against a *named* reference: the first run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mafs_bench.errors import UsageError
from mafs_bench.report.pairs import (
    CLEAN,
    Key,
    cells_of,
    counted_keys,
    metric_named,
    shared_keys,
    shared_tasks,
)
from mafs_bench.report.tables import CHANGE, SCORE, Column, Table, Value
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats import robustness as rb
from mafs_bench.stats.resampling import Array, Replicates, Resampling, combine, estimate, replicate_paired
from mafs_bench.types import Estimate, Metric


@dataclass(frozen=True)
class Measures:
    """One model on one task. ``values``: name in ``robustness.DEFINITIONS`` (or "clean") -> estimate."""

    task: str
    metric: str
    model: str
    reference: str
    values: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Grid:
    """A run's cells of one task: clean over all rows; clean and corrupted over the rows that both score, by key."""

    clean: Replicates
    pairs: dict[Key, tuple[Replicates, Replicates]]

    @property
    def corrupted(self) -> list[Replicates]:
        return [self._brought(key) for key in self.pairs]

    def curve(self, corruption: str | None) -> list[Replicates]:
        """Its severities, rising."""
        return [self._brought(key) for key in sorted(self._keys_of(corruption))]

    def _brought(self, key: Key) -> Replicates:
        """The cell's score with the loss of its own rows, so that cells of different rows can be averaged."""
        return combine(rb.on_all_rows, self.clean, *self.pairs[key])

    def _keys_of(self, corruption: str | None) -> list[Key]:
        return [key for key in self.pairs if key[0] == corruption]


def measure_runs(
    runs: Sequence[StoredRun], names: Sequence[str], metric: str | None = None, n_resamples: int = 2000
) -> list[Measures]:
    """Every measure of every run on every shared task; of metrics that are better when higher.

    Effective robustness comes where there are five runs or more, with β fitted on them and held fixed.
    """
    measured: list[Measures] = []
    for task in shared_tasks(runs):
        chosen = metric_named(task, metric)
        if not chosen.higher_is_better:
            continue
        keys = counted_keys(runs[0], shared_keys(runs, task)).keys
        if not keys:
            continue
        grids = [_grid(run, task, chosen, keys, n_resamples) for run in runs]
        line = _line(grids)
        for name, grid in zip(names, grids, strict=True):
            values = {key: estimate(one) for key, one in _measures(grid, grids[0], chosen, line).items()}
            measured.append(Measures(task, chosen.name, name, names[0], values))
    return measured


def _grid(run: StoredRun, task: str, metric: Metric, keys: Sequence[Key], n_resamples: int) -> _Grid:
    cells = cells_of(run, task)
    clean = run.frame(cells[CLEAN])
    resampling = Resampling(clean["group"], n_resamples, run.spec.seed)
    pairs = {
        key: replicate_paired(metric, (clean, run.frame(cells[key])), resampling) for key in (CLEAN, *keys)
    }
    whole = pairs.pop(CLEAN)[0]
    return _Grid(whole, {key: (first, second) for key, (first, second) in pairs.items()})


def _measures(
    grid: _Grid, reference: _Grid, metric: Metric, line: rb.AccuracyLine | None
) -> dict[str, Replicates]:
    mean, mean_reference = (combine(_mean, *one.corrupted) for one in (grid, reference))
    mmi = rb.paired_mmi(list(grid.pairs.values()))
    measures = {
        "clean": grid.clean,
        "mmi": mmi,
        "relative_accuracy": combine(lambda lost: 1 - lost, mmi),
        "severity_auc": _over_corruptions(grid, lambda c: _area(grid, c)),
        "worst_case": combine(lambda *s: rb.worst_case(s), *grid.corrupted),
        "mean_corruption_error": _over_corruptions(grid, lambda c: _error(grid, reference, c, metric.high)),
        "relative_corruption_error": _over_corruptions(grid, lambda c: _relative_error(grid, reference, c)),
        "relative_robustness": combine(rb.relative_robustness, mean, mean_reference),
    }
    if line is not None:
        measures["effective_robustness"] = combine(
            lambda clean, s: rb.effective_robustness(line, clean, s), grid.clean, mean
        )
    return measures


def _mean(*scores: Array) -> Array:
    return np.asarray(np.mean(np.asarray(scores), axis=0))


def _over_corruptions(grid: _Grid, measure: Callable[[str | None], Replicates]) -> Replicates:
    """The mean of a measure over corruptions."""
    return combine(_mean, *(measure(name) for name in dict.fromkeys(key[0] for key in grid.pairs)))


def _area(grid: _Grid, corruption: str | None) -> Replicates:
    severities = [0, *sorted(key[1] for key in grid.pairs if key[0] == corruption)]
    return combine(lambda *s: rb.severity_auc(s, severities), grid.clean, *grid.curve(corruption))


def _error(grid: _Grid, reference: _Grid, corruption: str | None, best: float) -> Replicates:
    ours, theirs = grid.curve(corruption), reference.curve(corruption)
    n = len(ours)
    return combine(lambda *s: rb.corruption_error(s[:n], s[n:], best), *ours, *theirs)


def _relative_error(grid: _Grid, reference: _Grid, corruption: str | None) -> Replicates:
    ours, theirs = grid.curve(corruption), reference.curve(corruption)
    n = len(ours)
    return combine(
        lambda a, b, *s: rb.relative_corruption_error(s[:n], a, s[n:], b),
        grid.clean,
        reference.clean,
        *ours,
        *theirs,
    )


def _line(grids: Sequence[_Grid]) -> rb.AccuracyLine | None:
    """β over the runs; None where it cannot be fitted (fewer than five, or scores of 0 or 1)."""
    clean = [grid.clean.value for grid in grids]
    corrupted = [np.mean([cell.value for cell in grid.corrupted]) for grid in grids]
    try:
        return rb.fit_accuracy_line(clean, corrupted)
    except UsageError:
        return None


def measure_tables(measured: Sequence[Measures]) -> list[Table]:
    """One table a task, a row a model."""
    tables = []
    for task, metric in dict.fromkeys((m.task, m.metric) for m in measured):
        own = [m for m in measured if m.task == task]
        names = [name for name in own[0].values if name != "clean"]
        columns = (
            Column("model"),
            Column("clean", SCORE),
            *(_column(name, own[0].reference) for name in names),
        )
        rows: list[tuple[Value, ...]] = [
            (m.model, m.values["clean"], *(m.values[name] for name in names)) for m in own
        ]
        tables.append(Table(f"{task}, {metric}: robustness", columns, rows))
    return tables


_SIGNED = {"relative_robustness", "effective_robustness"}
_HEADERS = {"relative_corruption_error": "rel. mCE vs. REFERENCE"}


def _column(name: str, reference: str) -> Column:
    definition = rb.DEFINITIONS[name]
    header = _HEADERS.get(name, definition.header)
    header = header.replace("REFERENCE", reference).replace("BASELINE", reference)
    return Column(header, CHANGE if name in _SIGNED else SCORE, f"{definition.formula}; {definition.range}")
