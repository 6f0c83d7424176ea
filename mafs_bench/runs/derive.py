"""What ``results.json`` holds of a cell, derived from the cell's per-sample scores."""

from __future__ import annotations

import pandas as pd

from mafs_bench.runs.store import CellMeta
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult

N_RESAMPLES = 2000


def derive_cell(frame: pd.DataFrame, meta: CellMeta, resampling: Resampling) -> CellResult:
    """Every metric of a cell with its interval. ``resampling`` is shared by all cells of a run."""
    metrics = intervals(get_task(meta.task).metrics, frame, resampling)
    return CellResult(
        meta.task,
        meta.dataset,
        meta.corruption,
        meta.severity,
        meta.seed,
        metrics,
        meta.content_hash,
        meta.audit,
    )
