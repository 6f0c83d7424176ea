"""Run some conditions of one task again, to compare their scores with those that somebody reported."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mafs_bench.errors import UsageError
from mafs_bench.runs.execute import Progress, Resources, execute
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.store import StoredRun, read_run
from mafs_bench.types import RunSpec


@dataclass(frozen=True)
class Rerun:
    """What a second run gave. frames: the per-sample scores per condition. inputs: its content hashes."""

    spec: RunSpec
    frames: Mapping[str, pd.DataFrame]
    inputs: Mapping[str, str]


def rerun(request: RunRequest, labels: Collection[str], resources: Resources, progress: Progress) -> Rerun:
    """Run the conditions of these labels ("clean", "fog-3") of the one task of ``request``; nothing is kept.

    Raises ``MafsBenchError`` subclasses, ``UsageError`` for a label that the request does not have.
    """
    plan = make_plan(request)
    cells = tuple(cell for cell in plan.cells if cell.condition.label in labels)
    absent = sorted(set(labels) - {cell.condition.label for cell in cells})
    if absent:
        raise UsageError(f"{request.model} has no condition {absent[0]} of {', '.join(request.tasks)}")
    with tempfile.TemporaryDirectory(prefix="mafs-bench-") as folder:
        execute(replace(plan, cells=cells), resources, Path(folder), progress)
        return _read(read_run(Path(folder)))


def _read(run: StoredRun) -> Rerun:
    named = [(cell.label, cell) for cell in run.results]
    return Rerun(
        run.spec,
        {label: run.frame(cell) for label, cell in named},
        {label: cell.content_hash for label, cell in named},
    )
