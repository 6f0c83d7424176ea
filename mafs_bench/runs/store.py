"""The results folder: one Parquet file a cell, written whole or not at all.

A folder belongs to one ``RunSpec``. What is in ``cells/`` is what was finished; ``results.json`` is derived
from it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

import pandas as pd

from mafs_bench.errors import StoreError
from mafs_bench.types import CellResult, Condition, Estimate, RunSpec

_META = b"mafs_bench"


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


def cell_file(folder: Path, task: str, condition: Condition) -> Path:
    """Where a cell is kept: ``cells/<task>--<corruption>-<severity>.parquet``."""
    return folder / "cells" / f"{task}--{condition.label}.parquet"


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        meta = CellMeta(**json.loads(table.schema.metadata[_META]))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return table.to_pandas(), meta


def results_json(results: list[CellResult]) -> str:
    """The text of ``results.json``: a list of cells, with null for what could not be scored."""
    return json.dumps([asdict(cell) for cell in results], indent=1, sort_keys=True, allow_nan=False) + "\n"


@contextmanager
def open_folder(folder: Path, spec: RunSpec) -> Iterator[None]:
    """Hold a results folder for one run: create it, or check that it belongs to ``spec``.

    Raises ``StoreError`` when it belongs to another spec (naming what differs), when another process is
    writing to it, or when it cannot be written.
    """
    try:
        (folder / "cells").mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    with lock:
        _take_lock(lock, folder)
        stored = folder / "spec.json"
        if stored.exists():
            _refuse_other(folder, read_spec(folder), spec)
        else:
            write_atomically(stored, spec.to_json().encode())
        yield


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


def _refuse_other(folder: Path, stored: RunSpec, asked: RunSpec) -> None:
    if stored.to_json() == asked.to_json():
        return
    differing = [f.name for f in fields(RunSpec) if _plain(stored, f.name) != _plain(asked, f.name)]
    first = differing[0]
    raise StoreError(
        f"{folder} holds another run: {first} is {_plain(stored, first)!r} there and "
        f"{_plain(asked, first)!r} here"
        + (f" (also different: {', '.join(differing[1:])})" if differing[1:] else "")
        + "; choose another --out"
    )


def _plain(spec: RunSpec, name: str) -> Any:
    return json.loads(json.dumps(getattr(spec, name)))


def spec_of(table: dict[str, Any]) -> RunSpec:
    """Build a spec from its JSON table. Raises ``TypeError`` for keys that are missing or unknown."""
    lists = {"tasks", "corruptions", "severities", "notes"}
    values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in table.items()}
    return RunSpec(**values)


def read_spec(folder: Path) -> RunSpec:
    """Read ``spec.json``. Raises ``StoreError``."""
    file = folder / "spec.json"
    try:
        return spec_of(json.loads(file.read_text()))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} is not a results folder: it has no spec.json") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{file} is damaged: {error}") from error


def read_run(folder: Path) -> StoredRun:
    """Read a results folder. Raises ``StoreError``."""
    spec = read_spec(folder)
    file = folder / "results.json"
    try:
        cells = tuple(_cell_of(row) for row in json.loads(file.read_text()))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} has no results.json: the run was not finished") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{file} is damaged: {error}") from error
    return StoredRun(folder, spec, cells)


def _cell_of(row: dict[str, Any]) -> CellResult:
    metrics = {name: Estimate(**estimate) for name, estimate in row["metrics"].items()}
    return CellResult(**{**row, "metrics": metrics})
