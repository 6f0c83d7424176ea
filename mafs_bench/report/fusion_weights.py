"""Fusion weights by severity: how much a model relies on each modality."""

from __future__ import annotations

from mafs_bench.metrics.columns import mean_of, ratio
from mafs_bench.report.curves import Curve, Row, curves_of
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.types import Metric

PREFIX = "alpha_"
"""Columns of a record that hold fusion weights."""


def fusion_curves(run: StoredRun, n_resamples: int = 1000) -> dict[str, dict[str, list[Curve]]]:
    """Task -> weight -> a curve a corruption of its mean, with the interval of a bootstrap over images."""
    return {
        task: {name: curves_of(rows, task, name) for name in rows[0]["metrics"]}
        for task in run.spec.tasks
        if (rows := _rows(run, task, n_resamples))
    }


def _rows(run: StoredRun, task: str, n_resamples: int) -> list[Row]:
    """Cells as in ``results.json``, with the means of the weights for metrics."""
    rows: list[Row] = []
    resampling: Resampling | None = None
    for cell in run.results:
        if cell.task != task:
            continue
        frame = run.frame(cell)
        weights = [_mean_weight(str(name), task) for name in frame if str(name).startswith(PREFIX)]
        if not weights:
            return []
        resampling = resampling or Resampling(frame["group"], n_resamples, run.spec.seed)
        found = intervals(weights, frame, resampling)
        metrics = {name: {"value": e.value, "low": e.low, "high": e.high} for name, e in found.items()}
        rows.append(
            {"task": task, "corruption": cell.corruption, "severity": cell.severity, "metrics": metrics}
        )
    return rows


def _mean_weight(name: str, task: str) -> Metric:
    return Metric(
        name, task, 0.0, 1.0, True, "mean fusion weight", mean_of(name), ratio, interval="bootstrap-t"
    )
