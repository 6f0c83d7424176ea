"""Comparisons as tables: one a task and model for readers, one with every column for CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mafs_bench.report.compare import ComparedRuns, Comparison
from mafs_bench.report.pairs import metric_named
from mafs_bench.report.tables import CHANGE, P_VALUE, SCORE, Column, Table, Value, write_tables
from mafs_bench.stats.robustness import DEFINITIONS

_CONDITION = Column("condition")
_SCORES = (
    Column("baseline", SCORE),
    Column("model", SCORE),
    Column(
        "difference",
        CHANGE,
        "model − baseline, over rows that both score; 95 % interval over clusters (MOVER, bootstrap-t)",
    ),
    Column("d_z", CHANGE, "difference / its standard deviation over clusters; n/a where there is no spread"),
)
_P = Column(
    "p",
    P_VALUE,
    "two-sided: clusters swapped (sign flip), or for what is no sum the interval inverted or bootstrap t",
)
_CORRECTED = (
    Column(
        "p Holm",
        P_VALUE,
        "two-sided, clusters swapped (interval or bootstrap t for what is no sum), corrected over the grid: for claims",
    ),
    Column("q BH", P_VALUE, "likewise by Benjamini and Hochberg: for exploration"),
)
_CHECKS = (
    Column("p McNemar", P_VALUE, "exact, rows taken for independent: a check"),
    Column("p Wilcoxon", P_VALUE, "on cluster means: a check"),
    Column("test"),
)


def comparison_tables(compared: ComparedRuns) -> list[Table]:
    """One table per task and model: the summaries, then the grid."""
    columns = (_CONDITION, *_SCORES, *_CORRECTED)
    rows = [*compared.summaries, *compared.grid]
    mmi = f"MMI: {DEFINITIONS['mmi'].formula}; lower is better"
    notes = (mmi, *compared.notes) if compared.summaries else compared.notes
    return [
        Table(
            _title(own[0]), columns, [(row.condition, *_scores(row), *_corrected(row)) for row in own], notes
        )
        for task, model in dict.fromkeys((row.task, row.model) for row in rows)
        if (own := [row for row in rows if (row.task, row.model) == (task, model)])
    ]


def full_table(compared: ComparedRuns) -> Table:
    """Everything in one table."""
    names = (Column("task"), Column("metric"), Column("baseline name"), Column("model name"), _CONDITION)
    rows = [
        (
            *(row.task, row.metric, row.baseline, row.model, row.condition),
            *_scores(row),
            row.p,
            *_corrected(row),
            *(row.mcnemar, row.wilcoxon, row.test),
        )
        for row in (*compared.summaries, *compared.grid)
    ]
    return Table("Comparison", (*names, *_SCORES, _P, *_CORRECTED, *_CHECKS), rows, compared.notes)


def write_comparison(compared: ComparedRuns, measures: Sequence[Table], files: Sequence[Path]) -> None:
    """Write everything into each file, as its suffix says; CSV puts the measures of each task beside it.

    Raises ``UsageError``.
    """
    for path in files:
        if path.suffix != ".csv":
            write_tables([*measures, *comparison_tables(compared)], path)
            continue
        write_tables([full_table(compared)], path)
        for table in measures:
            task = table.title.partition(",")[0]
            write_tables([table], path.with_name(f"{path.stem}-{task}-robustness.csv"))


def _scores(row: Comparison) -> tuple[Value, ...]:
    return (row.baseline_score, row.score, row.difference, row.effect)


def _corrected(row: Comparison) -> tuple[Value, ...]:
    return (row.holm, row.bh)


def _title(row: Comparison) -> str:
    better = "" if metric_named(row.task, row.metric).higher_is_better else ", lower is better"
    return f"{row.task}, {row.metric}{better}: {row.model} against {row.baseline}"
