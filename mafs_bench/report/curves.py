"""Severity curves, read off the rows of ``results.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.tasks import get_task

Row = Mapping[str, Any]
"""One cell of ``results.json``."""


@dataclass(frozen=True)
class Curve:
    """One metric of one task under one corruption, over its severities, the clean condition first.

    severities: int64 (k,). values, lows, highs: float64 (k,), NaN where nothing could be scored.
    """

    task: str
    corruption: str
    metric: str
    severities: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    lows: npt.NDArray[np.float64]
    highs: npt.NDArray[np.float64]

    @property
    def corrupted_mean(self) -> float:
        """Mean over the severities above 0 that were scored; NaN where none was."""
        values = self.values[(self.severities > 0) & ~np.isnan(self.values)]
        return float(values.mean()) if len(values) else float("nan")


def primary_metric(task: str) -> str:
    """The primary metric of a task. Raises ``UnknownNameError``."""
    return str(get_task(task).primary)


def task_names(cells: Sequence[Row]) -> list[str]:
    """List the tasks of some cells, in order of appearance."""
    return list(dict.fromkeys(str(cell["task"]) for cell in cells))


def corruption_names(cells: Sequence[Row]) -> list[str]:
    """List the corruptions of some cells, in order of appearance; clean is none."""
    return list(dict.fromkeys(str(cell["corruption"]) for cell in cells if cell["corruption"] is not None))


def curves_of(cells: Sequence[Row], task: str, metric: str | None = None) -> list[Curve]:
    """One curve per corruption, of ``metric`` (None: the primary metric of the task).

    A run without corruptions gives a single curve called ``clean`` of one point.
    """
    name = metric or primary_metric(task)
    own = [cell for cell in cells if cell["task"] == task and name in cell["metrics"]]
    clean = [cell for cell in own if cell["corruption"] is None]
    corruptions = corruption_names(own)
    if not corruptions:
        return [_curve(task, "clean", name, clean)] if clean else []
    return [
        _curve(task, corruption, name, clean + [cell for cell in own if cell["corruption"] == corruption])
        for corruption in corruptions
    ]


def _curve(task: str, corruption: str, metric: str, cells: Sequence[Row]) -> Curve:
    ordered = sorted(cells, key=lambda cell: int(cell["severity"]))

    def column(key: str) -> npt.NDArray[np.float64]:
        return np.array([cell["metrics"][metric][key] for cell in ordered], dtype=np.float64)

    severities = np.array([cell["severity"] for cell in ordered], dtype=np.int64)
    return Curve(task, corruption, metric, severities, column("value"), column("low"), column("high"))
