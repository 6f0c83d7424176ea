"""The table of the missing-modality protocol: a row per rate at which the image is missing, and the text otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import SuiteError, UnknownNameError
from mafs_bench.report.summary import CurveSummary
from mafs_bench.report.tables import CHANGE, SCORE, Column, Table
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.intervals import RULE
from mafs_bench.stats.robustness import DEFINITIONS

OPERATOR = "imbalanced_dropout"
_COLUMNS = (
    Column("image missing", meaning="share η of the samples without image"),
    Column("text missing", meaning="1 − η; no sample lacks both"),
    Column("score", SCORE),
    Column("drop", CHANGE, f"{DEFINITIONS['drop'].formula}, paired"),
)


def missing_tables(run: StoredRun, summaries: Sequence[CurveSummary]) -> list[Table]:
    """One table per task that was run at imbalanced missing rates."""
    rates = _rates(run)
    return [
        Table(
            f"{s.task}, {s.metric}: imbalanced missing rates",
            _COLUMNS,
            [
                (
                    f"{rates[s.corruption][k]:.1f}",
                    f"{1 - rates[s.corruption][k]:.1f}",
                    s.levels[k],
                    s.drops[k],
                )
                for k in s.drops
            ],
            (RULE,),
        )
        for s in summaries
        if s.corruption in rates
    ]


def _rates(run: StoredRun) -> Mapping[str, Mapping[int, float]]:
    """Corruption -> severity -> share without image."""
    try:
        known = suites.suite_of(run.spec).corruptions.values()
    except (SuiteError, UnknownNameError):
        return {}
    return {
        c.name: {s: float(c.levels[s - 1]["image_rate"]) for s in c.severities}
        for c in known
        if c.operator == OPERATOR
    }
