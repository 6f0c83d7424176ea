"""Rows that are too large to be kept in memory: written to a file, read back when they are asked for.

The token states of a base model are 1.8 MB an image, 9 GB for 5,000 of them. They are read, not memory-mapped:
mapped pages would count as memory of the process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Embeddings
from mafs_bench.errors import StoreError

Index = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

LARGE = 1 << 16
"""Bytes of a row from which on it is not kept in memory."""


class RowSource(Protocol):
    """What rows are read from: an array, or a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Index) -> Array: ...


@dataclass(frozen=True)
class FileRows:
    """Rows of one shape in a file, one behind the other, without a header."""

    file: BinaryIO
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Index) -> Array:
        """Read rows, a repeated one once."""
        wanted, back = np.unique(index, return_inverse=True)
        rows = np.empty((len(wanted), *self.shape), dtype=self.dtype)
        for row, number in zip(rows, wanted.tolist(), strict=True):
            self.file.seek(number * row.nbytes)
            if self.file.readinto(memoryview(row).cast("B")) != row.nbytes:  # type: ignore[attr-defined]
                raise StoreError(f"{self.file.name}: cut short; start again")
        return rows if len(wanted) == len(index) and (np.diff(index) > 0).all() else rows[back]


class RowWriter:
    """Writes the rows of one array: to ``path``, which is there only when all are, or to a nameless file."""

    def __init__(self, path: Path | None, row: Array) -> None:
        """``row``: any of the rows. Raises ``StoreError``."""
        self._path = path
        self._shape, self._dtype, self._count = row.shape, row.dtype, 0
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file: Any = tempfile.TemporaryFile() if path is None else self._partial.open("wb")  # noqa: SIM115
        except OSError as error:
            raise self._refusal(error) from error

    def add(self, rows: Array) -> None:
        """Write rows (n, …). Raises ``StoreError`` when the disk is full."""
        try:
            self._file.write(np.ascontiguousarray(rows).data)
        except OSError as error:
            self._give_up()
            raise self._refusal(error) from error
        self._count += len(rows)

    def finish(self) -> FileRows:
        """Give the rows to read. Raises ``StoreError``."""
        try:
            self._file.flush()
            if self._path is not None:
                os.fsync(self._file.fileno())
                self._file.close()
                self._partial.replace(self._path)
                self._file = self._path.open("rb")
        except OSError as error:
            self._give_up()
            raise self._refusal(error) from error
        return FileRows(self._file, self._shape, self._dtype, self._count)

    def _give_up(self) -> None:
        """Free what was written; closing tries once more to write what is buffered."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        assert self._path is not None
        return self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")

    def _refusal(self, error: OSError) -> StoreError:
        where = tempfile.gettempdir() if self._path is None else self._path
        return StoreError(f"cannot write {where}: {error.strerror}; token states need room on the disk")


def open_rows(path: Path, like: Array, count: int) -> FileRows:
    """Read again what a ``RowWriter`` wrote: ``like`` is an array of such rows. Raises ``OSError``."""
    file = path.open("rb")
    rows = FileRows(file, like.shape[1:], like.dtype, count)
    expected = count * int(np.prod(rows.shape)) * like.dtype.itemsize
    if path.stat().st_size != expected:
        raise OSError(f"{path} holds {path.stat().st_size} bytes, not {expected}")
    return rows


@dataclass(frozen=True)
class StoredRows:
    """Some rows of several sources, as one array: indexed by positions it reads them."""

    sources: tuple[RowSource, ...]
    index: Index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Index) -> Array:
        """Read rows int64 (n,) to an array (n, …)."""
        wanted = self.index[index]
        bounds = np.cumsum([0, *map(len, self.sources)])
        source = np.searchsorted(bounds, wanted, side="right") - 1
        used: list[int] = np.unique(source).tolist() or [0]
        if len(used) == 1:
            return self.sources[used[0]][wanted - bounds[used[0]]]
        rows = np.empty(0)
        for k in used:
            part = self.sources[k][wanted[source == k] - bounds[k]]
            if not len(rows):
                rows = np.empty((len(wanted), *part.shape[1:]), dtype=part.dtype)
            rows[source == k] = part
        return rows

    def select(self, index: Index) -> StoredRows:
        """The rows at these positions, still not read."""
        return StoredRows(self.sources, self.index[index])


def select(embedded: Embeddings, index: Index) -> Embeddings:
    """As ``Embeddings.take``, but what is in a file stays there."""
    stored = {name: rows for name, rows in embedded.states.items() if isinstance(rows, StoredRows)}
    held = {name: rows for name, rows in embedded.states.items() if name not in stored}
    taken = Embeddings(embedded.vectors, embedded.present, embedded.signals, held).take(index)
    states: dict[str, Any] = {**taken.states, **{name: rows.select(index) for name, rows in stored.items()}}
    return Embeddings(taken.vectors, taken.present, taken.signals, states)


def append(rows: Any, more: Any) -> Any:
    """Rows, then more of them: an array, or ``StoredRows`` where the first are."""
    if not isinstance(rows, StoredRows):
        return np.concatenate([rows, more])
    size = sum(map(len, rows.sources))
    last = more[np.arange(len(more))]
    return StoredRows((*rows.sources, last), np.concatenate([rows.index, size + np.arange(len(more))]))


def check_room(folder: Path | None, size: int) -> None:
    """Refuse to begin ``size`` bytes of rows that the disk of ``folder`` (None: of nameless files) cannot take.

    Raises ``StoreError``.
    """
    where = Path(tempfile.gettempdir()) if folder is None else folder
    there = next(path for path in (where, *where.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < size:
        raise StoreError(
            f"token states need {size / 1e9:.1f} GB in {where}, which has {free / 1e9:.1f} GB; choose an --out with "
            "more room, a smaller --limit or fewer severities"
        )


def is_large(row: Array) -> bool:
    """Whether a row goes to a file."""
    return row.nbytes >= LARGE


def stored_severity(chunks: Sequence[RowSource], severities: int, k: int) -> StoredRows:
    """The rows of one severity, of chunks in which each image's severities stand together."""
    rows = sum(map(len, chunks))
    return StoredRows(tuple(chunks), np.arange(k, rows, severities, dtype=np.int64))
