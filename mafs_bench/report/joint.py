"""Joint corruption: whether corrupting image and text together costs more than the sum of both losses."""

from __future__ import annotations

from collections.abc import Sequence

from mafs_bench.report.tables import CHANGE, Column, Table, Value
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import Resampling, replicate_paired
from mafs_bench.stats.robustness import super_additivity_of
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult


def joint_tables(run: StoredRun, n_resamples: int = 2000) -> list[Table]:
    """One grid per task: joint loss minus the sum of the single losses, with its interval."""
    tables = []
    for task in run.spec.tasks:
        cells = {(c.corruption, c.severity): c for c in run.results if c.task == task}
        names = dict.fromkeys(name for name, _ in cells if name is not None and name in run.spec.joints)
        if names:
            tables.append(_table(run, task, cells, list(names), n_resamples))
    return tables


def _table(
    run: StoredRun,
    task: str,
    cells: dict[tuple[str | None, int], CellResult],
    names: Sequence[str],
    n_resamples: int,
) -> Table:
    metric = get_task(task).primary_metric
    resampling = Resampling(run.frame(cells[None, 0])["group"], n_resamples, run.spec.seed)
    severities = sorted({severity for name, severity in cells if name == names[0]})
    rows: list[list[Value]] = []
    for name in names:
        joint = run.spec.joints[name]
        row: list[Value] = [f"{joint.image} at {joint.image_severity}"]
        for severity in severities:
            keys = [(None, 0), (joint.image, joint.image_severity), (joint.text, severity)]
            frames = [run.frame(cells[key]) for key in [*keys, (name, severity)]]
            clean, image, words, both = replicate_paired(metric, frames, resampling)
            row.append(estimate(super_additivity_of(clean, image, words, both)))
        rows.append(row)
    text = run.spec.joints[names[0]].text
    columns = [Column("image corruption"), *(Column(f"{text} at {s}", CHANGE) for s in severities)]
    note = "loss of both - (loss of image corruption alone + loss of text corruption alone); above 0: worse together"
    return Table(f"{task}: super-additivity of {metric.name}", columns, rows, [note])
