"""A baseline: one Parquet file with everything of a run that later models are held against.

It holds every cell's per-sample scores, so that comparisons are paired, and in its metadata the run's spec.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from mafs_bench.errors import StoreError
from mafs_bench.report.pairs import Key
from mafs_bench.runs.store import StoredRun, spec_of, write_atomically
from mafs_bench.types import RunSpec

_META = b"mafs_bench_baseline"
_CELL = ["task", "corruption", "severity"]
_MALFORMED = (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Baseline:
    """A baseline, read: the spec, and the frames by task, then by corruption and severity."""

    path: Path
    spec: RunSpec
    frames: dict[str, dict[Key, pd.DataFrame]]


def write_baseline(run: StoredRun, path: Path) -> None:
    """Store a finished run as a baseline. Raises ``StoreError``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    frames = [(cell, run.frame(cell)) for cell in run.results]
    columns = {cell.task: list(frame.columns) for cell, frame in frames}
    marked = [
        frame.assign(task=cell.task, corruption=cell.corruption or "", severity=cell.severity)
        for cell, frame in frames
    ]
    table = pa.Table.from_pandas(pd.concat(marked, ignore_index=True), preserve_index=False)
    meta = json.dumps({"version": 1, "spec": asdict(run.spec), "columns": columns}, sort_keys=True)
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_META: meta.encode()}), sink, compression="zstd")
    write_atomically(path, sink.getvalue())


def read_baseline(path: Path) -> Baseline:
    """Read a baseline. Raises ``StoreError`` naming the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        meta = json.loads(table.schema.metadata[_META])
        spec, columns = spec_of(meta["spec"]), meta["columns"]
        rows = table.to_pandas()
        frames: dict[str, dict[Key, pd.DataFrame]] = {task: {} for task in columns}
        for (task, corruption, severity), part in rows.groupby(_CELL, sort=False):
            frames[task][corruption or None, int(severity)] = part[columns[task]].reset_index(drop=True)
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such file; mafs-bench baseline RUN --out {path} makes it") from error
    except (pa.ArrowException, *_MALFORMED) as error:
        raise StoreError(f"{path} is not a baseline: {type(error).__name__}: {error}") from error
    return Baseline(path, spec, frames)
