"""What two runs were made from: whether a model and its inputs are the same, and which settings differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mafs_bench.adapters.probe import Probe
from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import UnknownNameError
from mafs_bench.report.baseline import Baseline
from mafs_bench.report.pairs import Key, cells_of, label
from mafs_bench.runs.store import StoredRun, model_difference
from mafs_bench.types import RunSpec

_SETTINGS = ("engine", "precision", "tf32", "on_error", "frame")
_TABLES = {
    "missing": "missing ",
    "packages": "",
    "decoders": "decoder ",
    "assets": "asset ",
    "prompts": "prompts ",
    "model_args": "model argument ",
    "first_stage": "first stage ",
}
_MAKES_BYTES = ("engine", "packages", "decoders", "assets", "frame")
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
        if found := _other_inputs(baseline.spec, run.spec, hashes, _hashes(run, task)):
            other[task] = found
    settings = differing_settings(baseline.spec, run.spec)
    identity = _identity(baseline.spec, run.spec)
    notes = [
        f"other inputs: {task} {shown_cells(keys)} {'was' if len(keys) == 1 else 'were'} made from other bytes than in "
        "the baseline"
        for task, keys in other.items()
    ]
    if settings:
        notes.append(f"differs, baseline / run: {'; '.join(settings)}")
    return Provenance(
        identity.same and not other and not _runs_differently(baseline.spec, run.spec),
        frozenset((task, key) for task, keys in other.items() for key in keys),
        (*notes, identity.note),
    )


@dataclass(frozen=True, slots=True)
class _Identity:
    """Whether two runs are of one model as far as is recorded, and the line that says so."""

    same: bool
    note: str


def _identity(there: RunSpec, here: RunSpec) -> _Identity:
    difference = model_difference(there, here)
    if difference is not None:
        return _Identity(False, f"model: not the baseline's: {difference}")
    if not (there.probe and here.probe):
        return _Identity(False, "model: the baseline's weights, but what they answer was not recorded")
    if not (Probe.from_table(there.probe).compared and Probe.from_table(here.probe).compared):
        return _Identity(False, "model: of the baseline's name; what a served model answers is not compared")
    return _Identity(
        True, "model: the baseline's, by its weights' hash and by its answers to the bundled inputs"
    )


def _runs_differently(ours: RunSpec, theirs: RunSpec) -> bool:
    """Whether the same weights are run in another way: another precision, other stand-ins, other prompts."""
    return any(
        getattr(ours, name) != getattr(theirs, name)
        for name in ("precision", "tf32", "missing", "prompts", "model_args", "first_stage", "clipscore")
    )


def other_inputs(baseline: StoredRun, run: StoredRun, task: str) -> list[Key]:
    """The cells that two runs share and that were made from other bytes, in the first one's order."""
    return _other_inputs(baseline.spec, run.spec, _hashes(baseline, task), _hashes(run, task))


def _hashes(run: StoredRun, task: str) -> dict[Key, str]:
    return {key: run.content_hash(cell) for key, cell in cells_of(run, task).items()}


def _other_inputs(
    ours: RunSpec, theirs: RunSpec, our_hashes: Mapping[Key, str], their_hashes: Mapping[Key, str]
) -> list[Key]:
    differing = [k for k, digest in our_hashes.items() if k in their_hashes and their_hashes[k] != digest]
    if any(getattr(ours, name) != getattr(theirs, name) for name in _MAKES_BYTES):
        return differing
    return [key for key in differing if key[0] not in _of_pairs(ours)]


def _of_pairs(spec: RunSpec) -> frozenset[str]:
    """Corruptions of the pairing, whose hashes also differ between models that take pairs and models that embed."""
    try:
        known = suites.suite_of(spec).corruptions
    except UnknownNameError:
        return frozenset()
    return frozenset(name for name, one in known.items() if one.modality == "pair")


def differing_settings(ours: RunSpec, theirs: RunSpec) -> list[str]:
    """What differs of engine, precision, stand-ins for missing inputs and package versions: ``name A / B`` each."""
    pairs: list[tuple[str, object, object]] = [
        *((name, getattr(ours, name), getattr(theirs, name)) for name in _SETTINGS),
        *(
            pair
            for name, prefix in _TABLES.items()
            for pair in _pairs(prefix, getattr(ours, name), getattr(theirs, name))
        ),
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
