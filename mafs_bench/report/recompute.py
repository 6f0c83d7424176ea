"""A run's numbers from its per-sample records: what is printed does not rest on ``results.json``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from mafs_bench.errors import StoreError
from mafs_bench.report.pairs import label
from mafs_bench.runs.derive import N_RESAMPLES, derive_cell
from mafs_bench.runs.store import CellMeta, StoredRun, read_cell
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult, Estimate
from mafs_bench.version import __version__

_ROUNDING = 1e-9
_INTERVAL = 0.01
"""How far a bound may be off, in shares of the metric's range: a bootstrap may have counted clusters without scores."""

_Cell = tuple[str, str | None, int]


@dataclass(frozen=True)
class Recomputed:
    """A run with the numbers of its records. differences: what ``results.json`` says otherwise, a line each."""

    run: StoredRun
    differences: tuple[str, ...]


def recompute(run: StoredRun) -> Recomputed:
    """Derive all cells of a run's folder again, in the order of ``results.json``, then those that it leaves out.

    Raises ``StoreError`` for a cell that it lists and that is not there, or that is damaged.
    """
    cells = _read_cells(run)
    groups = {str(group) for frame, _ in cells.values() for group in frame["group"]}
    resampling = Resampling(groups, N_RESAMPLES, run.spec.seed)
    derived = {key: derive_cell(frame, meta, resampling) for key, (frame, meta) in cells.items()}
    stored = {_key(cell): cell for cell in run.results}
    lost = [key for key in stored if key not in derived]
    if lost:
        raise StoreError(
            f"{run.path} has no per-sample records of {_named(lost[0])}, which results.json lists"
        )
    ordered = [*stored, *(key for key in derived if key not in stored)]
    differences = [line for key in ordered for line in _differences(key, stored.get(key), derived[key], run)]
    found = replace(run, results=tuple(derived[key] for key in ordered))
    return Recomputed(found, tuple(differences))


def edited_line(run: StoredRun, differences: Sequence[str]) -> str:
    """That ``results.json`` is not what the records give, in one line."""
    more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
    file = run.path / "results.json"
    return f"{file} was edited or is damaged: {differences[0]}{more}; the per-sample records are shown"


def _read_cells(run: StoredRun) -> dict[_Cell, tuple[pd.DataFrame, CellMeta]]:
    found = (read_cell(file) for file in sorted((run.path / "cells").glob("*.parquet")))
    return {(meta.task, meta.corruption, meta.severity): (frame, meta) for frame, meta in found}


def _key(cell: CellResult) -> _Cell:
    return cell.task, cell.corruption, cell.severity


def _named(key: _Cell) -> str:
    return f"{key[0]} {label(key[1:])}"


def _differences(key: _Cell, stored: CellResult | None, derived: CellResult, run: StoredRun) -> Iterator[str]:
    if stored is None:
        yield f"it leaves out {_named(key)}"
        return
    if (stored.content_hash, stored.dataset, stored.seed) != (
        derived.content_hash,
        derived.dataset,
        derived.seed,
    ):
        yield f"{_named(key)}: another data set, seed or hash of its inputs"
    by_this_version = run.spec.packages.get("mafs-bench") == __version__
    spans = {metric.name: metric.high - metric.low for metric in get_task(derived.task).metrics}
    for name, there in stored.metrics.items():
        here = derived.metrics.get(name)
        if here is None:
            yield f"{_named(key)}: {name}, which is no metric"
        elif _other_value(there, here):
            yield f"{_named(key)}: {name} is {_shown(there)} there and {_shown(here)} by the records"
        elif by_this_version and _other_interval(there, here, spans[name]):
            yield f"{_named(key)}: {name} has another interval than by the records"


def _other_value(there: Estimate, here: Estimate) -> bool:
    counts = (there.n, there.n_unscored) != (here.n, here.n_unscored)
    return counts or not _close(there.value, here.value, _ROUNDING)


def _other_interval(there: Estimate, here: Estimate, span: float) -> bool:
    size = span if math.isfinite(span) else max(1.0, abs(here.value or 0.0))
    pairs = ((there.low, here.low), (there.high, here.high))
    return not all(_close(*pair, _INTERVAL * size) for pair in pairs)


def _close(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= tolerance * max(1.0, abs(b))


def _shown(estimate: Estimate) -> str:
    return "n/a" if estimate.value is None else f"{estimate.value:.4g} (n = {estimate.n})"
