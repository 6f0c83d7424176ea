"""The table of a run: every curve with its measures, for the page and for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from mafs_bench.report.summary import FEW, CurveSummary
from mafs_bench.report.tables import CHANGE, FLOOR, FLOOR_NOTE, PER_CENT, SCORE, Column, Table, Value
from mafs_bench.stats.intervals import RULE
from mafs_bench.stats.robustness import DEFINITIONS


def robustness_tables(
    title: str, summaries: Sequence[CurveSummary], severities: Sequence[int], remarks: Sequence[str] = ()
) -> list[Table]:
    """One table per task, one row per curve: clean, each severity, MMI, relative accuracy, area, with intervals."""
    columns = (
        Column("corruption"),
        Column(
            "n",
            meaning=f"rows scored clean and at every severity, of which all numbers are; * fewer than {FEW}",
        ),
        Column("clean", SCORE),
        *(Column(str(severity), SCORE) for severity in severities),
        Column("MMI %", PER_CENT, DEFINITIONS["mmi"].formula),
        Column("RA", SCORE, DEFINITIONS["relative_accuracy"].formula),
        Column("AUC", SCORE, DEFINITIONS["severity_auc"].formula),
        Column("slope", CHANGE, f"{DEFINITIONS['slope'].formula}; {DEFINITIONS['slope'].range}"),
        Column(
            "from", meaning=f"the first severity with a significant drop: {DEFINITIONS['first_drop'].formula}"
        ),
        Column(
            "lost",
            meaning="severities whose drop against clean has a 95 % interval without 0 (paired, uncorrected)",
        ),
    )
    notes = (RULE, FLOOR_NOTE, *remarks)
    named = dict.fromkeys((s.task, s.metric) for s in summaries)
    return [
        Table(
            f"{task}, {metric}; {title}",
            columns,
            [_row(s, severities) for s in summaries if s.task == task],
            notes,
        )
        for task, metric in named
    ]


def _row(summary: CurveSummary, severities: Sequence[int]) -> tuple[Value, ...]:
    lost = [str(severity) for severity, significant in summary.significant.items() if significant]
    return (
        *(summary.corruption, f"{summary.n}{'*' if summary.n < FEW else ''}", summary.levels[0]),
        *(summary.levels.get(severity) for severity in severities),
        *((FLOOR, FLOOR) if summary.floor else (summary.mmi, summary.relative)),
        *(summary.auc, summary.slope, str(summary.first_drop or "none"), ", ".join(lost) or "none"),
    )
