"""An embedding cache on disk: one SQLite file, which keeps two runs at once and a killed one from harm.

A row's key covers the encoder with its weights' hash and preprocessing, the precision, the kind of device, and
the SHA-256 of the corrupted bytes or of the text. Where all of that is equal, the probes of the models that used the
cache decide: a model whose answers differ (its checkpoint or a module was replaced) gets rows of its own. Models that
encode alike and differ in what comes after (the fusions on one backbone) share their rows. Files of mafs-bench 0.1,
which knew no probes, have another name and are ignored.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.adapters.probe import Probe, compare
from mafs_bench.errors import StoreError, UsageError

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, data BLOB NOT NULL, used REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS by_use ON rows (used)",
    "CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL)",
    "INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total)",
    "CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON rows"
    " BEGIN UPDATE total SET bytes = bytes + length(NEW.data); END",
    "CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON rows"
    " BEGIN UPDATE total SET bytes = bytes - length(OLD.data); END",
    "CREATE TABLE IF NOT EXISTS models (key BLOB NOT NULL, number INTEGER NOT NULL, probe TEXT NOT NULL)",
)
_FILE = "embeddings-2.sqlite"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_CHUNK = 500
"""Keys a query: SQLite allows 999 parameters everywhere."""


def parse_bytes(text: str, option: str) -> int:
    """Read ``500M``, ``10G`` … (powers of 1,024). Raises ``UsageError``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise UsageError(f"{option} {text!r}: allowed is a size such as 500M or 10G")
    return size


def model_key(adapter: Adapter, precision: str, device: str) -> bytes:
    """SHA-256 of everything but the input that decides an embedding."""
    preprocess = adapter.preprocess if adapter.supports("encode_pixels") else None
    identity = {
        "encoder": adapter.encoder or f"{adapter.qualified_name} {adapter.weights}",
        "preprocess": hashlib.sha256(pickle.dumps(preprocess)).hexdigest(),
        "precision": precision,
        "device": device.partition(":")[0],
        "packages": [metadata.version(name) for name in ("torch", "pillow", "numpy")],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Caches:
    """The rows of one model: of its images, and of its texts."""

    images: EmbeddingCache
    texts: EmbeddingCache


def open_caches(
    folder: Path, limit: int, adapter: Adapter, precision: str, device: str, probe: Probe
) -> Caches:
    """Open or create the caches of a model that answers ``probe``. Raises ``StoreError``."""
    of_encoder = (
        probe.of_encoders() if adapter.encoder else probe
    )  # models share it that differ in what comes after
    model = _key_of(folder, model_key(adapter, precision, device), of_encoder)
    return Caches(
        EmbeddingCache(folder, model + b"images", limit, adapter.derived, adapter.complete_images),
        EmbeddingCache(folder, model + b"texts", limit, adapter.derived, adapter.complete_texts),
    )


def _as_it_is(embeddings: Embeddings) -> Embeddings:
    return embeddings


def _key_of(folder: Path, model: bytes, probe: Probe) -> bytes:
    """The key of the model of this probe among those that share the key ``model``. Raises ``StoreError``."""
    with _one_line(folder / _FILE), closing(_connect(folder)) as base:
        base.execute("BEGIN IMMEDIATE")
        known = base.execute("SELECT number, probe FROM models WHERE key = ?", (model,)).fetchall()
        alike = (n for n, text in known if compare(Probe.from_table(json.loads(text)), probe) is None)
        number = next(alike, None)
        if number is None:
            number = len(known)
            row = (model, number, json.dumps(probe.to_table()))
            base.execute("INSERT INTO models VALUES (?, ?, ?)", row)
        base.execute("COMMIT")
    return model + int(number).to_bytes(4, "little")


def _connect(folder: Path) -> sqlite3.Connection:
    """Open the file, with its tables. Raises ``StoreError`` where the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    base = sqlite3.connect(folder / _FILE, timeout=60, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = NORMAL")
    base.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        base.execute(statement)
    base.execute("COMMIT")
    return base


@contextmanager
def _one_line(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, ValueError, KeyError, EOFError) as error:
        raise StoreError(f"cache {file}: {error}; it can be deleted at any time") from error


class EmbeddingCache:
    """The rows of one model in a shared file; the least recently used go when ``limit`` bytes are reached."""

    def __init__(
        self,
        folder: Path,
        model: bytes,
        limit: int,
        derived: Collection[str] = (),
        complete: Callable[[Embeddings], Embeddings] = _as_it_is,
    ) -> None:
        """Open or create the file in ``folder``; ``derived`` states are not kept: ``complete`` adds them.

        Raises ``StoreError``.
        """
        self._file = folder / _FILE
        self._model = model
        self._limit = limit
        self._derived = frozenset(derived)
        self._complete = complete
        with _one_line(self._file):
            self._base = _connect(folder)

    def get(self, digests: Sequence[bytes]) -> dict[bytes, Embeddings]:
        """The rows that are there, by the SHA-256 of the corrupted bytes. Raises ``StoreError``."""
        keys = {self._key(digest): digest for digest in digests}
        found: dict[bytes, Embeddings] = {}
        with _one_line(self._file):
            for some in _chunks(list(keys)):
                marks = ",".join("?" * len(some))
                rows = self._base.execute(f"SELECT key, data FROM rows WHERE key IN ({marks})", some)
                found |= {keys[key]: _unpack(data) for key, data in rows}
                self._base.execute(f"UPDATE rows SET used = ? WHERE key IN ({marks})", [time.time(), *some])
        return {digest: self._complete(row) for digest, row in found.items()}

    def put(self, digests: Sequence[bytes], embeddings: Embeddings) -> None:
        """Add rows, and drop the oldest where there are too many. Raises ``StoreError``."""
        now = time.time()
        kept = {name: rows for name, rows in embeddings.states.items() if name not in self._derived}
        embeddings = replace(embeddings, states=kept)
        rows = [
            (self._key(digest), _pack(embeddings.take(np.array([i]))), now)
            for i, digest in enumerate(digests)
        ]
        with _one_line(self._file):
            self._base.execute("BEGIN IMMEDIATE")
            try:
                self._base.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", rows)
                self._evict()
                self._base.execute("COMMIT")
            except BaseException:
                self._base.execute("ROLLBACK")
                raise

    def size(self) -> int:
        """Bytes of the rows that are kept."""
        return int(self._base.execute("SELECT bytes FROM total").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _evict(self) -> None:
        """Drop what was used longest ago until a twentieth of the room is free, so that it happens rarely."""
        excess = self.size() - self._limit
        if excess <= 0:
            return
        excess += self._limit // 20
        for key, n in self._base.execute("SELECT key, length(data) FROM rows ORDER BY used").fetchall():
            if excess <= 0:
                return
            self._base.execute("DELETE FROM rows WHERE key = ?", (key,))
            excess -= n

    def _key(self, digest: bytes) -> bytes:
        return hashlib.sha256(self._model + digest).digest()


def _chunks(keys: list[bytes]) -> list[list[bytes]]:
    return [keys[i : i + _CHUNK] for i in range(0, len(keys), _CHUNK)]


def _pack(row: Embeddings) -> bytes:
    buffer = io.BytesIO()
    arrays = {"vectors": row.vectors, "present": row.present}
    arrays |= {f"signals.{name}": values for name, values in row.signals.items()}
    arrays |= {f"states.{name}": values for name, values in row.states.items()}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpack(data: bytes) -> Embeddings:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        extras: dict[str, dict[str, Any]] = {"signals": {}, "states": {}}
        for name in arrays.files:
            kind, dot, rest = name.partition(".")
            if dot:
                extras[kind][rest] = arrays[name]
        return Embeddings(arrays["vectors"], arrays["present"], extras["signals"], extras["states"])
