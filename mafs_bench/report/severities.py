"""Severity calibration: what each severity costs models on average, and which corruptions do not grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mafs_bench.report.summary import summarise_run
from mafs_bench.report.tables import CHANGE, Column, Table
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.robustness import DEFINITIONS, grades

TOLERANCE = 0.01
"""By how much a score may rise with the severity and still count as graded: one point."""


@dataclass(frozen=True)
class Calibration:
    """One corruption over models and tasks. drops: mean drop by severity. graded: how many of ``curves`` grade.

    A corruption of one severity has nothing to grade.
    """

    corruption: str
    drops: Mapping[int, float]
    graded: int
    curves: int

    @property
    def does_not_grade(self) -> bool:
        """Whether no curve of several severities is monotone."""
        return len(self.drops) > 1 and self.graded == 0 and self.curves > 0


def calibrate(
    runs: Sequence[StoredRun], tolerance: float = TOLERANCE, n_resamples: int = 100
) -> list[Calibration]:
    """Mean drops by severity over all curves of all runs: primary metrics, paired with clean; none at the floor."""
    curves: dict[str, list[dict[int, float]]] = {}
    for run in runs:
        for summary in summarise_run(run, n_resamples):
            drops = {s: drop.value for s, drop in summary.drops.items() if drop.value is not None}
            if drops and not summary.floor:
                curves.setdefault(summary.corruption, []).append(drops)
    return [
        Calibration(
            name,
            {
                s: float(np.mean([one[s] for one in own if s in one]))
                for s in sorted({s for one in own for s in one})
            },
            sum(grades([-one[s] for s in sorted(one)], tolerance) for one in own),
            len(own),
        )
        for name, own in curves.items()
    ]


def calibration_table(found: Sequence[Calibration], tolerance: float = TOLERANCE) -> Table:
    """A row per corruption; one that grades for no model is marked."""
    severities = sorted({s for one in found for s in one.drops})
    columns = (
        Column("corruption"),
        *(
            Column(str(s), CHANGE, "" if s != severities[0] else "mean drop at the severity")
            for s in severities
        ),
        Column(
            "graded", meaning=f"curves with {DEFINITIONS['grades'].formula}, tolerance {tolerance}, of all"
        ),
        Column("", meaning=""),
    )
    rows = [
        (
            one.corruption,
            *(one.drops.get(s) for s in severities),
            f"{one.graded} of {one.curves}",
            "does not grade" if one.does_not_grade else "",
        )
        for one in found
    ]
    return Table("Severity calibration", columns, rows)
