"""One number of a run: the mean over its corruptions, plain and with every family weighed equally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mafs_bench.report.pairs import counted_keys, families_of
from mafs_bench.report.summary import CurveSummary
from mafs_bench.report.tables import CHANGE, SCORE, TOO_FEW, Column, Table
from mafs_bench.runs.store import StoredRun
from mafs_bench.stats.intervals import RULE, estimate
from mafs_bench.stats.resampling import mean
from mafs_bench.stats.robustness import DEFINITIONS, balanced_mean_of, worst_corruption
from mafs_bench.types import Estimate

_COUNTED = (
    "corruptions that change the meaning, joint ones and those that apply to nothing are left out; where a corruption "
    "applies to some rows, the loss on them is taken from the clean score of all"
)


@dataclass(frozen=True)
class Overall:
    """One task of a run in one number.

    plain: mean over corruptions. balanced: mean over families of the mean over their corruptions; None where the suite
    is not at hand. families: the mean of each. worst: the corruption with the least mean over severities.
    """

    task: str
    metric: str
    n_corruptions: int
    plain: Estimate
    balanced: Estimate | None
    families: Mapping[str, Estimate]
    worst: str
    worst_mean: Estimate


def overall(run: StoredRun, summaries: Sequence[CurveSummary]) -> Overall | None:
    """The means of one task; None where no corruption counts."""
    counted = {key[0] for key in counted_keys(run, [(s.corruption, 1) for s in summaries]).keys}
    own = {s.corruption: s for s in summaries if s.corruption in counted and s.n > 0}
    worst = worst_corruption({name: s.mean.value for name, s in own.items()})
    if worst is None:
        return None
    means = [s.mean for s in own.values()]
    family_of = families_of(run)
    families = [family_of.get(name, "") for name in own]
    known = all(families)
    return Overall(
        own[worst].task,
        own[worst].metric,
        len(own),
        estimate(mean(means)),
        estimate(balanced_mean_of(means, families)) if known else None,
        {
            family: estimate(mean([one for one, f in zip(means, families, strict=True) if f == family]))
            for family in (dict.fromkeys(families) if known else ())
        },
        worst,
        estimate(own[worst].mean),
    )


def overall_lines(found: Overall | None) -> list[str]:
    """The lines below the table of a run."""
    if found is None:
        return []
    balanced = (
        "" if found.balanced is None else f"; {len(found.families)} families equally {_shown(found.balanced)}"
    )
    return [
        f"mean over {found.n_corruptions} corruptions {_shown(found.plain)}{balanced}; "
        f"worst {found.worst} {_shown(found.worst_mean)}"
    ]


def _shown(found: Estimate) -> str:
    if found.value is None:
        return "n/a"
    if found.low is None or found.high is None:
        return f"{found.value:.3f} ({TOO_FEW})"
    return f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})"


def overall_tables(run: StoredRun, summaries: Sequence[CurveSummary]) -> list[Table]:
    """One table: a row per task and mean."""
    rows = []
    for task in dict.fromkeys(s.task for s in summaries):
        found = overall(run, [s for s in summaries if s.task == task])
        if found is not None:
            name = f"{task}, {found.metric}"
            rows += [(name, "all families, weighed equally", found.balanced)]
            rows += [(name, f"all {found.n_corruptions} corruptions, plain", found.plain)]
            rows += [(name, f"family {family}", value) for family, value in found.families.items()]
            rows += [(name, f"worst corruption: {found.worst}", found.worst_mean)]
    if not rows:
        return []
    columns = (
        Column("task"),
        Column("mean over"),
        Column("score", SCORE, DEFINITIONS["balanced_mean"].formula),
    )
    return [Table("Means over corruptions", columns, rows, (RULE, _COUNTED))]


def flip_tables(summaries: Sequence[CurveSummary]) -> list[Table]:
    """One table per task whose rows are right or wrong: flips by corruption and severity."""
    columns = (
        Column("corruption"),
        Column("severity"),
        Column("drop", CHANGE, DEFINITIONS["drop"].formula),
        Column("right to wrong", SCORE, "destructive flips: share of the rows scored in both conditions"),
        Column("wrong to right", SCORE, "corrective flips, likewise"),
        Column(
            "same answer", SCORE, "share whose answer is unchanged, right or wrong; n/a where not comparable"
        ),
    )
    return [
        Table(
            f"{task}: flips",
            columns,
            [
                (s.corruption, str(k), s.drops[k], one.destructive, one.corrective, one.consistency)
                for s in summaries
                if s.task == task
                for k, one in (s.flips or {}).items()
            ],
            (RULE,),
        )
        for task in dict.fromkeys(s.task for s in summaries if s.flips)
    ]
