"""``scores.parquet``: all per-sample scores of a submission, one row per sample and condition.

One file, not one per cell, so that the ids, which every condition repeats, take almost no space. Columns:
``condition`` ("clean", "fog-3"), ``id``, ``group``, and those of the task. Unscored is null.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mafs_bench.leaderboard.findings import Finding, error, some
from mafs_bench.tasks import get_task
from mafs_bench.tasks.columns import ScoreColumn

MOST_ROWS = 40_000_000
_LONGEST_TEXT = 200
_MOST_BYTES_PER_VALUE = 64
_SPARE_BYTES = 2**20


def encode(frames: Mapping[str, pd.DataFrame], task: str) -> bytes:
    """Write the frames of all conditions as one Parquet file; equal frames give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = get_task(task).columns
    parts = [
        frame[[c.name for c in columns]]
        .sort_values(get_task(task).row_keys, kind="stable")
        .assign(condition=label)
        for label, frame in frames.items()
    ]
    table = pa.Table.from_pandas(pd.concat(parts), schema=_schema(columns), preserve_index=False)
    sink = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(None),
        sink,
        compression="zstd",
        compression_level=19,
        row_group_size=2**26,
        data_page_size=2**24,
        store_schema=False,
    )
    return sink.getvalue()


def decode(raw: bytes, task: str, most_rows: int = MOST_ROWS) -> tuple[pd.DataFrame | None, list[Finding]]:
    """Read ``scores.parquet`` without trusting it: the frame, or None and the findings.

    Columns, types and sizes are checked in the file's footer before any value is read. most_rows: the limit of the
    board.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where, columns = "scores.parquet", get_task(task).columns
    texts = ["condition", *(c.name for c in columns if c.is_text)]
    try:
        findings = _check_layout(pq.ParquetFile(io.BytesIO(raw)), _schema(columns), most_rows)
        if findings:
            return None, findings
        file = pq.ParquetFile(io.BytesIO(raw), read_dictionary=texts)
        table = file.read()
        findings = _check_texts(table) + _check_nan(table)
        if findings:
            return None, findings
        frame = table.to_pandas()
        return frame.assign(**{name: _in_order(frame[name]) for name in texts}), []
    except (pa.ArrowException, OSError, ValueError, MemoryError) as problem:
        return None, [error(where, f"is not a readable Parquet file: {problem}".splitlines()[0])]


def by_condition(frame: pd.DataFrame, task: str) -> dict[str, pd.DataFrame]:
    """Split by condition; the rows of each are in the order of their keys."""
    ordered = frame.sort_values(get_task(task).row_keys, kind="stable")
    return {
        str(label): part.reset_index(drop=True)
        for label, part in ordered.groupby("condition", sort=False, observed=True)
    }


def _in_order(texts: pd.Series) -> pd.Series:
    """Make a categorical column sort by its texts, whatever their order in the file."""
    return texts.cat.set_categories(sorted(texts.cat.categories))


def _schema(columns: Sequence[ScoreColumn]) -> Any:
    import pyarrow as pa

    kinds = [
        ("condition", pa.string()),
        *((c.name, pa.string() if c.is_text else pa.float32()) for c in columns),
    ]
    return pa.schema(kinds)


def _check_layout(file: Any, schema: Any, most_rows: int) -> list[Finding]:
    where, found = "scores.parquet", file.schema_arrow
    findings = [
        error(where, f"column {name!r} does not belong there; allowed: {', '.join(schema.names)}")
        for name in found.names
        if name not in schema.names
    ]
    findings += [
        error(where, f"column {name!r} is missing") for name in schema.names if name not in found.names
    ]
    if len(set(found.names)) < len(found.names):
        findings.append(error(where, "two columns have the same name"))
    else:
        findings += [
            error(
                where, f"column {field.name!r} has the type {kind}; allowed: {schema.field(field.name).type}"
            )
            for field in found
            if field.name in schema.names and (kind := field.type) != schema.field(field.name).type
        ]
    if file.metadata.num_rows > most_rows:
        findings.append(error(where, f"has {file.metadata.num_rows} rows; the board has {most_rows}"))
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    most_bytes = _SPARE_BYTES + most_rows * len(schema) * _MOST_BYTES_PER_VALUE
    if size > most_bytes:
        findings.append(error(where, f"unpacks to {size} bytes; allowed: {most_bytes}"))
    return findings


def _check_texts(table: Any) -> list[Finding]:
    """Refuse long texts while they are in the dictionary, which has each distinct text once."""
    import pyarrow.compute as pc

    findings = []
    for name in table.column_names:
        for chunk in table[name].chunks:
            texts = getattr(chunk, "dictionary", None)
            if texts is not None and (pc.max(pc.utf8_length(texts)).as_py() or 0) > _LONGEST_TEXT:
                findings.append(
                    error("scores.parquet", f"{name}: a text of more than {_LONGEST_TEXT} characters")
                )
                break
    return findings


def _check_nan(table: Any) -> list[Finding]:
    import pyarrow as pa
    import pyarrow.compute as pc

    return [
        error("scores.parquet", f"{field.name} is NaN in {count} rows; allowed: null, for unscored")
        for field in table.schema
        if pa.types.is_floating(field.type) and (count := pc.sum(pc.is_nan(table[field.name])).as_py())
    ]


def check_values(frame: pd.DataFrame, task: str) -> list[Finding]:
    """Refuse NaN, infinite, out-of-range, fractional and missing values; one finding per column and kind."""
    findings = []
    for column in get_task(task).columns:
        values = frame[column.name]
        bad = {"is null": values.isna() & (not column.nullable)}
        if column.bounds is not None:
            low, high = column.bounds
            bad[f"is outside [{low:g}, {high:g}]"] = values.notna() & ~values.between(low, high)
            bad["is not a whole number"] = values.notna() & (values % 1 != 0) & column.whole
        findings += [
            error(
                "scores.parquet",
                f"{column.name} {what} in {int(rows.sum())} rows: {some(_places(frame, rows))}",
            )
            for what, rows in bad.items()
            if rows.any()
        ]
    return findings


def _places(frame: pd.DataFrame, rows: pd.Series) -> list[str]:
    chosen = frame.loc[rows, ["condition", "id"]].head(4).astype(str)
    return [f"{condition}/{name}" for condition, name in chosen.itertuples(index=False)]
