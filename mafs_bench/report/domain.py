"""Domain-shift gap of one model between two data sets, and whether corruption hurts more off the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from mafs_bench.errors import UsageError
from mafs_bench.report.comparable import require_galleries_of_one_size
from mafs_bench.report.pairs import (
    CLEAN,
    Key,
    cells_of,
    label,
    metric_named,
    require_equal,
    shared_keys,
    shared_tasks,
)
from mafs_bench.report.tables import CHANGE, P_VALUE, SCORE, Column, Table, Value
from mafs_bench.runs.store import StoredRun, model_difference
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    difference,
    independent_difference,
    replicate,
    replicate_paired,
)
from mafs_bench.stats.robustness import DEFINITIONS
from mafs_bench.stats.significance import holm, t_test
from mafs_bench.types import Estimate, Metric

_EQUAL = ("suite_hash", "precision", "engine", "missing")


@dataclass(frozen=True, slots=True)
class DomainGap:
    """One condition on both data sets. drop_*, difference and its p are None on the clean condition.

    difference: drop on the target − drop on the source; p_*: the interval inverted (bootstrap t for what is no
    proportion), corrected over the grid by Holm.
    """

    task: str
    metric: str
    condition: str
    source: Estimate
    target: Estimate
    gap: Estimate
    p_gap: float | None
    drop_source: Estimate | None
    drop_target: Estimate | None
    difference: Estimate | None
    p_difference: float | None


def domain_gaps(
    source: StoredRun, target: StoredRun, metric: str | None = None, n_resamples: int = 2000
) -> list[DomainGap]:
    """Gap and difference in differences of every cell that both runs have.

    The data sets are resampled independently of each other. Raises ``UsageError`` where the runs are of one data set,
    of different models or suites, or rank among galleries of different sizes.
    """
    _require_two_domains(source, target)
    require_equal((source, target), _EQUAL)
    rows: list[DomainGap] = []
    for task in shared_tasks((source, target)):
        chosen = metric_named(task, metric)
        require_galleries_of_one_size((source, target), chosen)
        sides = [_Side.of(run, task, chosen, n_resamples, seed) for seed, run in enumerate((source, target))]
        rows += [_gap(key, *sides) for key in shared_keys((source, target), task)]
    gaps = holm([row.p_gap for row in rows])
    differences = holm([row.p_difference for row in rows])
    return [
        replace(row, p_gap=gap, p_difference=difference)
        for row, gap, difference in zip(rows, gaps, differences, strict=True)
    ]


def _require_two_domains(source: StoredRun, target: StoredRun) -> None:
    data = [(run.spec.dataset, run.spec.split, run.spec.revision) for run in (source, target)]
    if data[0] == data[1]:
        raise UsageError(
            f"{source.path} and {target.path} are both of {data[0][0]} ({data[0][1]}): a domain gap is between two "
            "data sets; two runs on one are for `mafs-bench compare`"
        )
    difference = model_difference(source.spec, target.spec)
    if difference is not None:
        raise UsageError(f"{target.path} is not of the model of {source.path}: {difference}")


@dataclass(frozen=True, slots=True)
class _Side:
    """One data set: its run, its clean frame, its own resampling."""

    run: StoredRun
    task: str
    metric: Metric
    clean: pd.DataFrame
    resampling: Resampling

    @classmethod
    def of(cls, run: StoredRun, task: str, metric: Metric, n_resamples: int, seed: int) -> _Side:
        clean = run.frame(cells_of(run, task)[CLEAN])
        return cls(run, task, metric, clean, Resampling(clean["group"], n_resamples, seed))

    def score(self, key: Key) -> Replicates:
        return replicate(self.metric, self._frame(key), self.resampling)

    def drop(self, key: Key) -> Replicates:
        """Loss against clean over the rows that both conditions score."""
        frames = (self.clean, self._frame(key))
        return difference(*replicate_paired(self.metric, frames, self.resampling))

    def _frame(self, key: Key) -> pd.DataFrame:
        return self.run.frame(cells_of(self.run, self.task)[key])


def _gap(key: Key, source: _Side, target: _Side) -> DomainGap:
    scores = source.score(key), target.score(key)
    gap = independent_difference(*scores)
    row = DomainGap(
        source.task,
        source.metric.name,
        label(key),
        estimate(scores[0]),
        estimate(scores[1]),
        estimate(gap),
        t_test(gap).p,
        None,
        None,
        None,
        None,
    )
    if key == CLEAN:
        return row
    drops = source.drop(key), target.drop(key)
    more = independent_difference(drops[1], drops[0])
    return replace(
        row,
        drop_source=estimate(drops[0]),
        drop_target=estimate(drops[1]),
        difference=estimate(more),
        p_difference=t_test(more).p,
    )


def gap_tables(rows: Sequence[DomainGap], source: StoredRun, target: StoredRun) -> list[Table]:
    """One table per task."""
    gap, did = DEFINITIONS["domain_gap"], DEFINITIONS["difference_in_differences"]
    columns = (
        Column("condition"),
        Column("source", SCORE),
        Column("target", SCORE),
        Column(gap.header, CHANGE, f"{gap.formula}; 95 % interval from those of both (MOVER)"),
        Column("p gap", P_VALUE, "from the interval, Holm over the grid"),
        Column("drop source", CHANGE, DEFINITIONS["drop"].formula),
        Column("drop target", CHANGE, DEFINITIONS["drop"].formula),
        Column(did.header, CHANGE, f"{did.formula}; above 0: hurts more off the source"),
        Column("p DiD", P_VALUE, "from the interval, Holm over the grid"),
    )
    names = f"{source.spec.model}: {source.spec.dataset} (source) against {target.spec.dataset} (target)"
    notes = (*source.spec.training_notes, *target.spec.training_notes)
    return [
        Table(
            f"{task}, {metric}; {names}", columns, [_values(row) for row in rows if row.task == task], notes
        )
        for task, metric in dict.fromkeys((row.task, row.metric) for row in rows)
    ]


def _values(row: DomainGap) -> tuple[Value, ...]:
    return (
        *(row.condition, row.source, row.target, row.gap, row.p_gap),
        *(row.drop_source, row.drop_target, row.difference, row.p_difference),
    )
