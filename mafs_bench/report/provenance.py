"""What two runs were made from: whether a model and its inputs are the same, and which settings differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mafs_bench.report.baseline import Baseline
from mafs_bench.report.pairs import Key, cells_of, label
from mafs_bench.runs.store import StoredRun
from mafs_bench.types import RunSpec

_SETTINGS = ("engine", "precision", "on_error")
_SHOWN = 3


@dataclass(frozen=True)
class Provenance:
    """A run beside a baseline.

    same_model: the baseline's own weights, by their hash and by what they answer, on the baseline's own inputs and in
    its precision. other_inputs: the tasks and cells whose inputs are not the baseline's. notes: lines for readers.
    """

    same_model: bool
    other_inputs: frozenset[tuple[str, Key]]
    notes: tuple[str, ...]


def compare_with_baseline(run: StoredRun, baseline: Baseline) -> Provenance:
    """Compare what a run and a baseline were made from. The run must have the baseline's cells."""
    other: dict[str, list[Key]] = {}
    for task, hashes in baseline.inputs.items():
        ours = {key: cell.content_hash for key, cell in cells_of(run, task).items()}
        if found := differing_inputs(hashes, ours):
            other[task] = found
    settings = differing_settings(baseline.spec, run.spec)
    notes = [
        f"other inputs: {task} {shown_cells(keys)} {'was' if len(keys) == 1 else 'were'} made from other bytes than in "
        "the baseline"
        for task, keys in other.items()
    ]
    if settings:
        notes.append(f"baseline / run: {'; '.join(settings)}")
    return Provenance(
        not other and _same_model(baseline.spec, run.spec),
        frozenset((task, key) for task, keys in other.items() for key in keys),
        tuple(notes),
    )


def _same_model(ours: RunSpec, theirs: RunSpec) -> bool:
    return ours.weights == theirs.weights and ours.precision == theirs.precision


def differing_inputs(ours: Mapping[Key, str], theirs: Mapping[Key, str]) -> list[Key]:
    """The cells of both whose content hashes differ, in the first one's order."""
    return [key for key, digest in ours.items() if key in theirs and theirs[key] != digest]


def differing_settings(ours: RunSpec, theirs: RunSpec) -> list[str]:
    """Engine, precision, what stands for a missing input, and package versions that differ: ``name A / B``."""
    pairs: list[tuple[str, object, object]] = [
        *((name, getattr(ours, name), getattr(theirs, name)) for name in _SETTINGS),
        *_pairs("missing ", ours.missing, theirs.missing),
        *_pairs("", ours.packages, theirs.packages),
    ]
    return [f"{name} {one} / {other}" for name, one, other in pairs if one != other]


def _pairs(
    prefix: str, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> list[tuple[str, object, object]]:
    names = dict.fromkeys((*ours, *theirs))
    return [
        (prefix + name, ours.get(name, "not recorded"), theirs.get(name, "not recorded")) for name in names
    ]


def shown_cells(keys: list[Key]) -> str:
    """The first cells by name, and how many more there are."""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(map(label, keys[:_SHOWN])) + more
