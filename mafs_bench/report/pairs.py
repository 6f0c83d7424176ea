"""What two stored runs have in common: tasks, cells, samples, and whether they may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import SuiteError, UnknownNameError, UsageError
from mafs_bench.runs.store import StoredRun
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult, Metric, condition_label

Key = tuple[str | None, int]
"""Corruption and severity of a cell; ``(None, 0)`` is clean."""
CLEAN: Key = (None, 0)


def require_equal(runs: Sequence[StoredRun], names: Iterable[str]) -> None:
    """Refuse runs whose specs differ in what a comparison needs to be equal. Raises ``UsageError``."""
    first = runs[0]
    for run in runs[1:]:
        for name in names:
            ours, theirs = getattr(first.spec, name), getattr(run.spec, name)
            if ours != theirs:
                raise UsageError(
                    f"{run.path} cannot be compared with {first.path}: {name} is {theirs!r} there and {ours!r} here"
                )


def shared_tasks(runs: Sequence[StoredRun]) -> list[str]:
    """The tasks that all runs have, in the first one's order. Raises ``UsageError`` where there is none."""
    shared = [task for task in runs[0].spec.tasks if all(task in run.spec.tasks for run in runs)]
    if not shared:
        raise UsageError(f"{' and '.join(str(run.path) for run in runs)} have no task in common")
    return shared


def cells_of(run: StoredRun, task: str) -> dict[Key, CellResult]:
    """A run's cells of one task by corruption and severity."""
    return {(cell.corruption, cell.severity): cell for cell in run.results if cell.task == task}


def shared_keys(runs: Sequence[StoredRun], task: str) -> list[Key]:
    """The cells that all runs have, clean first. Raises ``UsageError`` where clean is not among them."""
    tables = [cells_of(run, task) for run in runs]
    keys = [key for key in tables[0] if all(key in table for table in tables)]
    if CLEAN not in keys:
        raise UsageError(f"{' and '.join(str(run.path) for run in runs)} share no clean cell of {task}")
    return [CLEAN, *(key for key in keys if key != CLEAN)]


def label(key: Key) -> str:
    """The label of a condition."""
    return condition_label(*key)


def metric_named(task: str, name: str | None) -> Metric:
    """The metric of that name, the task's primary one where None. Raises ``UnknownNameError``."""
    chosen = get_task(task)
    return chosen.metric(name or chosen.primary)


@dataclass(frozen=True, slots=True)
class Counted:
    """Which cells count as loss of robustness; ``note`` says what is set apart, or why nothing could be."""

    keys: list[Key]
    note: str | None


def counted_keys(run: StoredRun, keys: Sequence[Key]) -> Counted:
    """Corrupted cells without those that change the meaning, where another answer is right, and joint ones.

    Joint cells have their own measure, super-additivity.
    """
    corrupted = [key for key in keys if key != CLEAN and key[0] not in run.spec.joints]
    try:
        known = suites.suite_of(run.spec).corruptions
    except UnknownNameError:
        return Counted(
            corrupted,
            f"{run.spec.suite} is not available: every corruption counts as one that keeps the meaning",
        )
    apart = {name for name, c in known.items() if c.meaning_changing} & {str(key[0]) for key in corrupted}
    note = f"set apart, as they change the meaning: {', '.join(sorted(apart))}" if apart else None
    return Counted([key for key in corrupted if key[0] not in apart], note)


def families_of(run: StoredRun) -> Mapping[str, str]:
    """The family of each corruption of the run's suite; none if it is not available."""
    try:
        return {name: c.family for name, c in suites.suite_of(run.spec).corruptions.items()}
    except (SuiteError, UnknownNameError):
        return {}
