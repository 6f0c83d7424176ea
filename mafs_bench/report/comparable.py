"""Which parts of stored runs can be compared: tasks, galleries of one size, and corruptions drawn sample by sample.

A retrieval score falls with the number of images that are ranked, and CIDEr's document frequencies change with the
references: runs of another ``--limit`` are on another gallery. What is scored sample by sample (questions, captions by
ROUGE-L and the like) is compared over the samples that all runs have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.report.commands import command_of
from mafs_bench.report.pairs import CLEAN, cells_of, metric_named, shared_tasks
from mafs_bench.runs.store import StoredRun
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult, Metric, RunSpec


def depends_on_gallery(metric: Metric) -> bool:
    """Whether a sample's score depends on which other samples the run has."""
    return get_task(metric.task).depends_on_gallery(metric.name)


def select_tasks(runs: Sequence[StoredRun], tasks: Sequence[str]) -> list[StoredRun]:
    """Runs restricted to these of their shared tasks; all if ``tasks`` is empty.

    Raises ``UnknownNameError`` for a task that they do not share, ``UsageError`` where they share none.
    """
    shared = shared_tasks(runs)
    for task in tasks:
        if task not in shared:
            raise UnknownNameError("task of these runs", task, shared)
    chosen = tuple(task for task in shared if not tasks or task in tasks)
    return [_with_tasks(run, chosen) for run in runs]


def _with_tasks(run: StoredRun, tasks: tuple[str, ...]) -> StoredRun:
    cells = tuple(cell for cell in run.results if cell.task in tasks)
    return replace(run, spec=replace(run.spec, tasks=tasks), results=cells)


@dataclass(frozen=True)
class ComparableRuns:
    """Runs as they can be compared. notes: what was left out. by_sample: whether galleries differ."""

    runs: tuple[StoredRun, ...]
    notes: tuple[str, ...] = ()
    by_sample: bool = False


def comparable_runs(
    runs: Sequence[StoredRun], metric: str | None = None, tasks: Sequence[str] = ()
) -> ComparableRuns:
    """The parts of runs on one data set that can be compared, the samples that all have where limits differ.

    Raises ``UsageError`` where limits differ and a metric depends on the gallery, with what can be done instead, and as
    ``select_tasks``.
    """
    chosen = select_tasks(runs, tasks)
    other = next((run for run in chosen if run.spec.limit != chosen[0].spec.limit), None)
    if other is None:
        return ComparableRuns(tuple(chosen))
    metrics = [metric_named(task, metric) for task in chosen[0].spec.tasks]
    gallery = [found.task for found in metrics if depends_on_gallery(found)]
    if gallery:
        alone = [found.task for found in metrics if not depends_on_gallery(found)]
        raise UsageError(_other_limits(chosen[0], other, gallery, alone))
    limits = ", ".join(str(run.spec.limit or "no limit") for run in chosen)
    drawn = _drawn_from_others(chosen[0].spec)
    cells = tuple(cell for cell in chosen[0].results if cell.corruption in drawn)
    left = sorted({str(cell.corruption) for cell in cells})
    ids = {task: _shared_ids(chosen, task) for task in chosen[0].spec.tasks}
    notes = [f"of other limits ({limits}): compared over the samples that all runs have, matched by id"]
    if left:
        notes.append(f"left out, as partners are drawn from the run's other samples: {', '.join(left)}")
    parts = [
        _CommonPart(
            run.path, run.spec, tuple(cell for cell in run.results if cell.corruption not in drawn), ids
        )
        for run in chosen
    ]
    return ComparableRuns(tuple(parts), tuple(notes), by_sample=True)


@dataclass(frozen=True)
class _CommonPart(StoredRun):
    """A run of which only some rows are read: by task, those of these ids."""

    ids: dict[str, frozenset[str]] = field(default_factory=dict)

    def frame(self, cell: CellResult) -> pd.DataFrame:
        frame = super().frame(cell)
        return frame.loc[frame["id"].isin(self.ids[cell.task])].reset_index(drop=True)


def _shared_ids(runs: Sequence[StoredRun], task: str) -> frozenset[str]:
    frames = [run.frame(cells_of(run, task)[CLEAN]) for run in runs]
    shared = frozenset.intersection(*(frozenset(map(str, frame["id"])) for frame in frames))
    if not shared:
        raise UsageError(f"{' and '.join(str(run.path) for run in runs)} have no sample of {task} in common")
    return shared


def _drawn_from_others(spec: RunSpec) -> frozenset[str]:
    """The corruptions that give a sample another one's image or text; all of them if the suite is not available."""
    try:
        known = suites.suite_of(spec).corruptions
    except UnknownNameError:
        return frozenset(spec.corruptions)
    return frozenset(name for name, one in known.items() if one.family == "misalignment")


def _other_limits(first: StoredRun, other: StoredRun, gallery: Sequence[str], alone: Sequence[str]) -> str:
    options = "".join(f" --task {task}" for task in alone)
    instead = f"; or compare only per-sample tasks, with{options}" if alone else ""
    return (
        f"{other.path} has {_limit(other)} and {first.path} {_limit(first)}: another limit is another gallery, on "
        f"which {', '.join(gallery)} cannot be compared. Run it at the same size: "
        f"{command_at(other, first.spec.limit)} --out FOLDER{instead}"
    )


def _limit(run: StoredRun) -> str:
    return f"--limit {run.spec.limit}" if run.spec.limit else "no --limit"


def command_at(run: StoredRun, limit: int | None) -> str:
    """The command of a run with another ``--limit``."""
    return command_of(replace(run, spec=replace(run.spec, limit=limit)))


def require_galleries_of_one_size(runs: Sequence[StoredRun], metric: Metric) -> None:
    """Refuse runs on two data sets whose galleries are of other sizes, where the metric depends on that.

    Raises ``UsageError`` with the command that runs the larger one at the size of the smaller.
    """
    if not depends_on_gallery(metric):
        return
    sizes = [(gallery_size(run.frame(cells_of(run, metric.task)[CLEAN])), run) for run in runs]
    (small, smaller), (large, larger) = sorted(sizes, key=lambda pair: pair[0])
    if small != large:
        raise UsageError(
            f"{larger.path} has a gallery of {large} images and {smaller.path} of {small}: {metric.task} scores on "
            f"them cannot be compared. Run it at the same size: {command_at(larger, small)} --out FOLDER"
        )


def gallery_size(clean: pd.DataFrame) -> int:
    """How many images a clean cell ranks or pairs: its image queries, else its clusters."""
    if "direction" in clean:
        return int((clean["direction"] == "i2t").sum())
    return int(clean["group"].nunique())
