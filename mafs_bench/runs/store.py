"""The results folder: one Parquet file per cell, written atomically.

A folder belongs to one ``RunSpec``. What is in ``cells/`` is what was finished; ``results.json`` is derived
from it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from itertools import count
from pathlib import Path
from typing import IO, Any

import pandas as pd

from mafs_bench.adapters.probe import Probe, compare
from mafs_bench.errors import StoreError
from mafs_bench.files import legal_name
from mafs_bench.types import MEASURED, RECORD_FORMAT, CellResult, Condition, Estimate, RunSpec

_META = b"mafs_bench"

NOT_RECORDED = "identity not recorded (a run of mafs-bench 0.1)"
"""The note of every record of format 1."""


@dataclass(frozen=True, slots=True)
class CellMeta:
    """What is known of a cell beside its scores; kept in the Parquet file's own metadata."""

    task: str
    dataset: str
    corruption: str | None
    severity: int
    seed: int
    content_hash: str
    audit: Mapping[str, float | int | str | None]


@dataclass(frozen=True)
class StoredRun:
    """A results folder, read. ``results`` are the rows of ``results.json``."""

    path: Path
    spec: RunSpec
    results: tuple[CellResult, ...]

    def frame(self, cell: CellResult) -> pd.DataFrame:
        """The per-sample scores of a cell, a row a sample."""
        condition = Condition(self.spec.suite, cell.corruption, cell.severity, cell.seed)
        return read_cell(cell_file(self.path, cell.task, condition))[0]

    def content_hash(self, cell: CellResult) -> str:
        """The hash of a cell's inputs by its own file; ``results.json`` can be edited.

        Raises ``StoreError`` for a file that is not there or damaged.
        """
        condition = Condition(self.spec.suite, cell.corruption, cell.severity, cell.seed)
        return read_meta(cell_file(self.path, cell.task, condition)).content_hash


def cell_file(folder: Path, task: str, condition: Condition) -> Path:
    """Where a cell is kept: ``cells/<task>--<corruption>-<severity>.parquet``, by a name that every system takes.

    A cell that 0.1 stored under a name that not every system takes stays where it is.
    """
    name = f"{task}--{condition.label}"
    path = folder / "cells" / f"{legal_name(name)}.parquet"
    before = folder / "cells" / f"{name}.parquet"
    return before if before != path and before.exists() else path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, and survives a crash.

    Raises ``StoreError`` naming the file when the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with_space = "; free some space and start again" if error.errno == errno.ENOSPC else ""
        _remove(temporary)
        raise StoreError(f"cannot write {path}: {error.strerror}{with_space}") from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def write_cell(folder: Path, meta: CellMeta, condition: Condition, frame: pd.DataFrame) -> None:
    """Store one cell atomically. Raises ``StoreError``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({_META: json.dumps(asdict(meta), sort_keys=True).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(cell_file(folder, meta.task, condition), sink.getvalue().to_pybytes())


def read_cell(path: Path) -> tuple[pd.DataFrame, CellMeta]:
    """Read one cell. Raises ``StoreError`` naming the file when it is damaged."""
    import pyarrow.parquet as pq

    with _naming(path):
        table = pq.ParquetFile(path).read()
        return table.to_pandas(), _meta_of(table.schema.metadata)


def read_meta(path: Path) -> CellMeta:
    """Read what is known of a cell beside its scores, from the file's footer alone. Raises ``StoreError``."""
    import pyarrow.parquet as pq

    with _naming(path):
        return _meta_of(pq.read_metadata(path).metadata)


def _meta_of(metadata: Mapping[bytes, bytes]) -> CellMeta:
    return CellMeta(**json.loads(metadata[_META]))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise ``StoreError`` naming the file for what reading a damaged one raises."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def results_json(results: list[CellResult]) -> str:
    """The text of ``results.json``: a list of cells, with null for what could not be scored."""
    return json.dumps([asdict(cell) for cell in results], indent=1, sort_keys=True, allow_nan=False) + "\n"


@contextmanager
def open_folder(folder: Path, spec: RunSpec) -> Iterator[RunSpec]:
    """Lock a results folder for one run: create it, or check that it belongs to ``spec``; gives the record it holds.

    Raises ``StoreError`` when it belongs to another spec or another model (naming what differs), when it is of record
    format 1, when another process is writing to it, or when it cannot be written.
    """
    try:
        (folder / "cells").mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    with lock:
        _take_lock(lock, folder)
        stored = folder / "spec.json"
        if stored.exists():
            spec = resumed(folder, read_spec(folder), spec)
        write_spec(folder, spec)
        yield spec


def free_folder(folder: Path, spec: RunSpec) -> Path:
    """``folder``, or the first of ``folder-2``, ``folder-3``, … that is empty or that ``spec`` can go on in."""
    names = (folder if number == 1 else folder.with_name(f"{folder.name}-{number}") for number in count(1))
    return next(path for path in names if _can_hold(path, spec))


def _can_hold(folder: Path, spec: RunSpec) -> bool:
    if not (folder / "spec.json").exists():
        return True
    try:
        resumed(folder, read_spec(folder), spec)
    except StoreError:
        return False
    return True


def write_spec(folder: Path, spec: RunSpec) -> None:
    """Store the record of a run atomically. Raises ``StoreError``."""
    write_atomically(folder / "spec.json", spec.to_json().encode())


def _take_lock(lock: IO[str], folder: Path) -> None:
    """Lock for as long as the process lives; the system frees it even after ``kill -9``."""
    try:
        import fcntl
    except ImportError:  # Windows: no advisory locks; the atomic writes still keep every file whole
        return
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not inherited by worker processes
    except OSError as error:
        raise StoreError(f"{folder} is in use by another run; wait for it or choose another --out") from error


def resumed(folder: Path, stored: RunSpec, asked: RunSpec) -> RunSpec:
    """The record of a resumed run: the stored one, with the devices and modules of ``asked`` added.

    Where the data lies is taken from ``asked``.

    Raises ``StoreError`` in one line where the two are not one run of one model.
    """
    if stored.format != RECORD_FORMAT:
        raise StoreError(
            f"{folder} is a run of record format {stored.format}, whose model's identity was not recorded; it can be "
            "read but not resumed: choose another --out"
        )
    difference = record_difference(stored, asked)
    if difference is not None:
        raise StoreError(f"{folder} holds another run: {difference}; choose another --out")
    return replace(
        stored,
        device=tuple(dict.fromkeys([*stored.device, *asked.device])),
        modules={**stored.modules, **asked.modules},
        dataset_path=asked.dataset_path,
        data_root=asked.data_root,
    )


def record_difference(there: RunSpec, here: RunSpec) -> str | None:
    """In one line, what keeps two records from being one run of one model; None where nothing does."""
    if there.model == here.model and there.precision == here.precision:
        found = model_difference(there, here)
        if found is not None:
            return found
    names = [f.name for f in fields(RunSpec) if f.name not in MEASURED]
    differing = [name for name in names if _plain(there, name) != _plain(here, name)]
    if not differing:
        return model_difference(there, here)
    first = differing[0]
    return f"{first} is {_plain(there, first)!r} there and {_plain(here, first)!r} here" + (
        f" (also different: {', '.join(differing[1:])})" if differing[1:] else ""
    )


def model_difference(there: RunSpec, here: RunSpec) -> str | None:
    """One line with how the models of two records differ; None if weights, modules and probe are of one model.

    ``there`` is the stored run or the baseline, ``here`` the new one.
    """
    changed = [name for name, digest in there.modules.items() if here.modules.get(name, digest) != digest]
    if changed:
        return f"the model's module {changed[0]} has changed"
    if there.weights != here.weights:
        return f"the model's weights are {there.weights[:16]} there and {here.weights[:16]} here"
    found = _probe_difference(there.probe, here.probe)
    if found is not None:
        return f"the model answers differently ({found})"
    found = _probe_difference(there.clipscore_probe, here.clipscore_probe)
    return None if found is None else f"the judge of CLIPScore answers differently ({found})"


def _probe_difference(there: Mapping[str, object], here: Mapping[str, object]) -> str | None:
    """What differs between two probes' tables; None also where one of them was not taken."""
    return compare(Probe.from_table(there), Probe.from_table(here)) if there and here else None


def _plain(spec: RunSpec, name: str) -> Any:
    return json.loads(json.dumps(getattr(spec, name)))


def spec_of(table: dict[str, Any]) -> RunSpec:
    """Build a spec from its JSON table; one without ``format`` is of format 1.

    Raises ``TypeError`` for keys that are missing or unknown, ``ValueError`` for a format that this version cannot
    read or a damaged probe.
    """
    lists = {"tasks", "corruptions", "severities", "notes", "device", "excluded"}
    values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in table.items()}
    spec = RunSpec(**{"format": 1, **values})
    if spec.format not in range(1, RECORD_FORMAT + 1):
        raise ValueError(f"record format {spec.format!r}; this version reads up to {RECORD_FORMAT}")
    for probe in (spec.probe, spec.clipscore_probe):
        if probe:
            Probe.from_table(probe)
    if spec.format == 1:
        return replace(spec, notes=tuple(dict.fromkeys([*spec.notes, NOT_RECORDED])))
    return spec


def read_spec(folder: Path) -> RunSpec:
    """Read ``spec.json``. Raises ``StoreError``."""
    file = folder / "spec.json"
    try:
        return spec_of(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} is not a results folder: it has no spec.json") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{file} is damaged: {error}") from error


def read_run(folder: Path) -> StoredRun:
    """Read a results folder. Raises ``StoreError``."""
    spec = read_spec(folder)
    file = folder / "results.json"
    try:
        cells = tuple(_cell_of(row) for row in json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} has no results.json: the run was not finished") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{file} is damaged: {error}") from error
    return StoredRun(folder, spec, cells)


def _cell_of(row: dict[str, Any]) -> CellResult:
    metrics = {name: Estimate(**estimate) for name, estimate in row["metrics"].items()}
    return CellResult(**{**row, "metrics": metrics})
