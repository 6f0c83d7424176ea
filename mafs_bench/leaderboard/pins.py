"""``rows.parquet`` of a board: which rows exist, and where each corruption applies.

It is made when the board is opened, from the data set and the suite only. One row per row of a condition, in the
order of their keys: the fixed columns of the task, and a bool column per corruption or, where its severities
differ, per condition, True where it does not apply. A column that would be False throughout is left out. The
file's metadata contains the content hashes of each condition, for suites whose inputs are the same on every machine.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import BoardFolder, write_board
from mafs_bench.leaderboard.schemas import Board
from mafs_bench.tasks import get_task

FILE = "rows.parquet"
LARGEST = 2 * 10**6
"""Largest size of the file in bytes."""

_PREFIX = "not applicable: "
_HASHES = b"content_hashes"
_HASH_TABLE = TypeAdapter(dict[str, tuple[str, ...]])

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pins:
    """The rows of a board.

    fixed: the fixed columns (id, group …), in the order of the row keys. inapplicable: bool (n,) per condition that
    lacks a row. content_hashes: what the inputs of each condition may hash to; empty where that is not pinned.
    """

    fixed: pd.DataFrame
    inapplicable: Mapping[str, Mask]
    content_hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.fixed)

    def lacks(self, label: str) -> Mask:
        """bool (n,): the rows to which that condition does not apply."""
        return self.inapplicable.get(label, self._nothing)

    @cached_property
    def _nothing(self) -> Mask:
        return np.zeros(len(self.fixed), dtype=bool)


def pins_of(
    board: Board,
    frames: Mapping[str, pd.DataFrame],
    content_hashes: Mapping[str, tuple[str, ...]] | None = None,
) -> Pins:
    """Make the pins of a board from one frame per condition, with null scores where it does not apply.

    Raises ``SubmissionError`` where the conditions do not have the same rows.
    """
    fixed = [column.name for column in get_task(board.task).columns if column.fixed]
    keys = get_task(board.task).row_keys
    ordered = {label: frames[label].sort_values(keys, kind="stable") for label in board.conditions}
    rows = _plain(ordered["clean"][fixed])
    for label, frame in ordered.items():
        if not _plain(frame[fixed]).equals(rows):
            raise SubmissionError(f"the rows of {label} are not those of clean")
    lacking = {label: frame["score"].isna().to_numpy() for label, frame in ordered.items()}
    if lacking["clean"].any():
        raise SubmissionError(f"{int(lacking['clean'].sum())} rows of clean cannot be scored")
    return Pins(rows, {label: mask for label, mask in lacking.items() if mask.any()}, content_hashes or {})


def write_pins(folder: BoardFolder, pins: Pins, revision: str) -> BoardFolder:
    """Write ``rows.parquet`` and its hash in ``board.toml``: the board is open. Raises ``SubmissionError``."""
    raw = _encode(folder.board, pins)
    if len(raw) > LARGEST:
        raise SubmissionError(f"{FILE} would have {len(raw)} bytes; allowed: {LARGEST}")
    folder.path.mkdir(parents=True, exist_ok=True)
    (folder.path / FILE).write_bytes(raw)
    update = {"revision": revision, "n": len(pins), "rows": hashlib.sha256(raw).hexdigest()}
    opened = BoardFolder(folder.path, folder.board.model_copy(update=update))
    write_board(opened)
    return opened


def read_pins(folder: BoardFolder) -> Pins:
    """Read the rows of an open board.

    Raises ``SubmissionError`` for a board that is not open, or a file that is not the one of ``board.toml``.
    """
    if not folder.board.is_open:
        raise SubmissionError(folder.closed() or f"the rows of {folder.name} are not pinned")
    file = folder.path / FILE
    try:
        raw = file.read_bytes()
    except OSError as problem:
        raise SubmissionError(f"{file}: {problem.strerror}") from problem
    if hashlib.sha256(raw).hexdigest() != folder.board.rows:
        raise SubmissionError(f"{file} does not have the hash in board.toml; restore it")
    return _decode(folder.board, raw)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns as texts and float32, in their order, numbered from 0."""
    kinds = {name: "float32" if pd.api.types.is_numeric_dtype(frame[name]) else "str" for name in frame}
    return pd.DataFrame(frame).astype(kinds).reset_index(drop=True)


def _encode(board: Board, pins: Pins) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {str(name): pa.array(pins.fixed[name]) for name in pins.fixed}
    for corruption in board.corruptions:
        masks = {label: pins.lacks(label) for label in board.labels_of(corruption)}
        first, *others = masks.values()
        if all(np.array_equal(first, other) for other in others):
            masks = {corruption: first}
        columns |= {f"{_PREFIX}{name}": pa.array(mask) for name, mask in masks.items() if mask.any()}
    hashes = json.dumps(dict(pins.content_hashes), sort_keys=True)
    table = pa.table(columns).replace_schema_metadata({_HASHES: hashes.encode()})
    sink = io.BytesIO()
    texts = {
        name: "DELTA_BYTE_ARRAY" for name in columns if pa.types.is_string(table.schema.field(name).type)
    }
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=19,
        row_group_size=2**26,
        use_dictionary=False,
        column_encoding=texts,
    )
    return sink.getvalue()


def _decode(board: Board, raw: bytes) -> Pins:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(io.BytesIO(raw)).read()
        hashes = _HASH_TABLE.validate_json(table.schema.metadata[_HASHES])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as problem:
        raise SubmissionError(f"{FILE} cannot be read: {problem}") from problem
    frame = table.to_pandas()
    masks = {name.removeprefix(_PREFIX): frame[name].to_numpy() for name in _masks(frame.columns)}
    lacking = {
        label: masks[name]
        for corruption in board.corruptions
        for label in board.labels_of(corruption)
        for name in (label, corruption)
        if name in masks
    }
    return Pins(frame.drop(columns=_masks(frame.columns)), lacking, hashes)


def _masks(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name.startswith(_PREFIX)]
