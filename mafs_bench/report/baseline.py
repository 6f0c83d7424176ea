"""A baseline: one Parquet file with everything of a run that later models are compared with.

It contains every cell's per-sample scores, so that comparisons are paired. Its metadata contain the format version,
the run's spec (model identity, engine, precision, the replacement for a missing input, package versions) and the
content hash of each cell's inputs.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mafs_bench.errors import StoreError
from mafs_bench.report.commands import command_of, command_of_spec
from mafs_bench.report.pairs import Key
from mafs_bench.runs.store import StoredRun, spec_of, write_atomically
from mafs_bench.types import RECORD_FORMAT, RunSpec

FORMAT = 2
_META = b"mafs_bench_baseline"
_CELL = ["task", "corruption", "severity"]
_MALFORMED = (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Baseline:
    """A baseline, read: the spec, and by task, then by corruption and severity, the frames and the hashes of the
    inputs.
    """

    path: Path
    spec: RunSpec
    frames: dict[str, dict[Key, pd.DataFrame]]
    inputs: dict[str, dict[Key, str]]


def write_baseline(run: StoredRun, path: Path) -> None:
    """Store a finished run as a baseline. Raises ``StoreError``, and as ``require_identity``."""
    require_identity(run)
    import pyarrow as pa
    import pyarrow.parquet as pq

    frames = [(cell, run.frame(cell)) for cell in run.results]
    columns = {cell.task: list(frame.columns) for cell, frame in frames}
    marked = [
        frame.assign(task=cell.task, corruption=cell.corruption or "", severity=cell.severity)
        for cell, frame in frames
    ]
    table = pa.Table.from_pandas(pd.concat(marked, ignore_index=True), preserve_index=False)
    meta = json.dumps(
        {
            "version": FORMAT,
            "spec": asdict(run.spec),
            "columns": columns,
            "inputs": [
                [cell.task, cell.corruption, cell.severity, run.content_hash(cell)] for cell in run.results
            ],
        },
        sort_keys=True,
    )
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_META: meta.encode()}), sink, compression="zstd")
    write_atomically(path, sink.getvalue())


def require_identity(run: StoredRun) -> None:
    """Refuse a run whose model's identity was not recorded: it may contain cells of two models.

    Raises ``StoreError`` with the command that makes the run again.
    """
    if run.spec.format < RECORD_FORMAT:
        raise StoreError(
            f"{run.path} is a run of record format {run.spec.format}, whose model's identity was not recorded. Make it "
            f"again: {command_of(run)} --out FOLDER"
        )


def read_baseline(path: Path) -> Baseline:
    """Read a baseline. Raises ``StoreError`` naming the file, for another format with the command that remakes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        meta = json.loads(table.schema.metadata[_META])
        if meta["version"] != FORMAT:
            raise StoreError(_other_format(path, meta, table["corruption"].unique().to_pylist()))
        spec, columns = spec_of(meta["spec"]), meta["columns"]
        rows = table.to_pandas()
        frames: dict[str, dict[Key, pd.DataFrame]] = {task: {} for task in columns}
        for (task, corruption, severity), part in rows.groupby(_CELL, sort=False):
            frames[task][corruption or None, int(severity)] = part[columns[task]].reset_index(drop=True)
        inputs: dict[str, dict[Key, str]] = {task: {} for task in columns}
        for task, corruption, severity, digest in meta["inputs"]:
            inputs[task][corruption, int(severity)] = str(digest)
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such file; mafs-bench baseline RUN --out {path} makes it") from error
    except (pa.ArrowException, *_MALFORMED) as error:
        raise StoreError(f"{path} is not a baseline: {type(error).__name__}: {error}") from error
    return Baseline(path, spec, frames, inputs)


def _other_format(path: Path, meta: dict[str, Any], corruptions: Sequence[str]) -> str:
    """That a baseline is of another format, and the commands that make it again."""
    command = command_of_spec(spec_of(meta["spec"]), corruptions)
    return (
        f"{path} is a baseline of format {meta['version']}, and this version reads format {FORMAT}, which records the "
        f"model's identity and its inputs. Make it again: {command} --out RUN && "
        f"mafs-bench baseline RUN --out {shlex.quote(str(path))}"
    )
