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
from mafs_bench.report.tables import CHANGE, FLOOR, FLOOR_NOTE, SCORE, Column, Table, Value
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats import robustness as rb
from mafs_bench.stats.intervals import RULE, estimate
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    combine,
    difference,
    mean,
    replicate_paired,
)
from mafs_bench.types import Estimate, Metric


@dataclass(frozen=True)
class Measures:
    """One model on one task. ``values``: name in ``robustness.DEFINITIONS`` (or "clean") -> estimate.

    floor: the measures that are not to be read, as a clean score behind them is not above chance.
    """

    task: str
    metric: str
    model: str
    reference: str
    values: dict[str, Estimate] = field(default_factory=dict)
    floor: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Grid:
    """A run's cells of one task: clean over all rows; clean and corrupted over the rows that both score, by key."""

    clean: Replicates
    chance: float
    pairs: dict[Key, tuple[Replicates, Replicates]]

    @property
    def at_floor(self) -> bool:
        """Whether the clean score is not above chance."""
        return rb.at_floor(estimate(self.clean), self.chance)

    @property
    def corrupted(self) -> list[Replicates]:
        return [self._brought(key) for key in self.pairs]

    @property
    def worst(self) -> Replicates:
        """The cell with the least score, with its own interval; undefined where one cell is."""
        return self.corrupted[int(np.argmin([cell.value for cell in self.corrupted]))]

    def curve(self, corruption: str | None) -> list[Replicates]:
        """Its severities, rising."""
        return [self._brought(key) for key in sorted(self._keys_of(corruption))]

    def _brought(self, key: Key) -> Replicates:
        """The cell's score with the loss of its own rows, so that cells of different rows can be averaged."""
        return rb.brought_to_all_rows(self.clean, *self.pairs[key])

    def _keys_of(self, corruption: str | None) -> list[Key]:
        return [key for key in self.pairs if key[0] == corruption]


def measure_runs(
    runs: Sequence[StoredRun], names: Sequence[str], metric: str | None = None, n_resamples: int = 2000
) -> list[Measures]:
    """Every measure of every run on every shared task; of metrics that are better when higher.

    Effective robustness is included for five runs or more, with β fitted on them and kept fixed.
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
            values = {
                key: _exact(one) if grid is grids[0] and key in _AGAINST_REFERENCE else estimate(one)
                for key, one in _measures(grid, grids[0], chosen, line).items()
            }
            measured.append(Measures(task, chosen.name, name, names[0], values, _floor(grid, grids[0])))
    return measured


def _exact(measure: Replicates) -> Estimate:
    """The reference against itself: no matter of chance."""
    return Estimate(measure.value, measure.value, measure.value, measure.n, measure.n_unscored)


def _floor(grid: _Grid, reference: _Grid) -> frozenset[str]:
    if grid.at_floor:
        return _OF_CLEAN | _OF_BOTH
    return _OF_BOTH if reference.at_floor else frozenset()


def _grid(run: StoredRun, task: str, metric: Metric, keys: Sequence[Key], n_resamples: int) -> _Grid:
    cells = cells_of(run, task)
    clean = run.frame(cells[CLEAN])
    resampling = Resampling(clean["group"], n_resamples, run.spec.seed)
    pairs = {
        key: replicate_paired(metric, (clean, run.frame(cells[key])), resampling) for key in (CLEAN, *keys)
    }
    whole = pairs.pop(CLEAN)[0]
    return _Grid(
        whole, rb.chance_of(metric, clean), {key: (first, second) for key, (first, second) in pairs.items()}
    )


def _measures(
    grid: _Grid, reference: _Grid, metric: Metric, line: rb.AccuracyLine | None
) -> dict[str, Replicates]:
    own, other = (mean(one.corrupted) for one in (grid, reference))
    mmi = rb.paired_mmi(list(grid.pairs.values()))
    measures = {
        "clean": grid.clean,
        "mmi": mmi,
        "relative_accuracy": combine(lambda lost: 1 - lost, mmi),
        "severity_auc": _over_corruptions(grid, lambda c: _area(grid, c)),
        "worst_case": grid.worst,
        "mean_corruption_error": _over_corruptions(grid, lambda c: _error(grid, reference, c, metric.high)),
        "relative_corruption_error": _over_corruptions(grid, lambda c: _relative_error(grid, reference, c)),
        "relative_robustness": difference(own, other),
    }
    if line is not None:
        measures["effective_robustness"] = combine(
            lambda clean, s: rb.effective_robustness(line, clean, s), grid.clean, own
        )
    return measures


def _over_corruptions(grid: _Grid, measure: Callable[[str | None], Replicates]) -> Replicates:
    """The mean of a measure over corruptions."""
    return mean([measure(name) for name in dict.fromkeys(key[0] for key in grid.pairs)])


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
    """One table per task, one row per model."""
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
            (m.model, m.values["clean"], *(FLOOR if name in m.floor else m.values[name] for name in names))
            for m in own
        ]
        notes = (RULE, FLOOR_NOTE) if any(m.floor for m in own) else (RULE,)
        tables.append(Table(f"{task}, {metric}: robustness", columns, rows, notes))
    return tables


_OF_CLEAN = frozenset({"mmi", "relative_accuracy"})
_OF_BOTH = frozenset({"mean_corruption_error", "relative_corruption_error"})
_AGAINST_REFERENCE = _OF_BOTH | {"relative_robustness"}
_SIGNED = {"relative_robustness", "effective_robustness"}
_HEADERS = {"relative_corruption_error": "rel. mCE vs. REFERENCE"}


def _column(name: str, reference: str) -> Column:
    definition = rb.DEFINITIONS[name]
    header = _HEADERS.get(name, definition.header)
    header = header.replace("REFERENCE", reference).replace("BASELINE", reference)
    return Column(header, CHANGE if name in _SIGNED else SCORE, f"{definition.formula}; {definition.range}")
