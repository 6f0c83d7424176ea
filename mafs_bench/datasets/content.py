"""SHA-256 of files, cached by path, size and modification times.

The cache is ``file-hashes.sqlite`` in the user's cache folder. If it cannot be read or written, the hashes are
computed again.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from mafs_bench.files import home

UNREADABLE = "unreadable"
"""Stands for the hash of a file that cannot be opened; decoding it will raise the error."""

_State = tuple[int, int, int]
"""Size in bytes, mtime and ctime in nanoseconds."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS hashes "
    "(path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, digest TEXT)"
)
_RECENT = 2 * 10**9
"""Nanoseconds. A file changed this recently could change again within the same tick of the file system's clock,
so its hash is not cached."""
_THREADS = 4


def content_revision(annotations: Iterable[Path], images: Sequence[Path]) -> str:
    """Hexadecimal SHA-256 of the annotation files and of the names and contents of the images."""
    digest = hashlib.sha256()
    for path in annotations:
        digest.update(path.read_bytes())
    for path, content in zip(images, file_digests(images), strict=True):
        digest.update(f"\n{path.name} {content}".encode())
    return digest.hexdigest()


def file_digests(paths: Sequence[Path]) -> list[str]:
    """Hexadecimal SHA-256 of each file, or ``UNREADABLE``."""
    absolute = [
        Path(os.path.abspath(path)) for path in paths
    ]  # resolving every link would take as long as hashing
    states = {path: _state(path) for path in absolute}
    remembered = _read(home() / "file-hashes.sqlite")
    found = {
        path: digest
        for path, state in states.items()
        if state is not None and (digest := remembered.get((str(path), *state))) is not None
    }
    new = [path for path in states if path not in found]
    with ThreadPoolExecutor(_THREADS) as pool:
        computed = dict(zip(new, pool.map(_digest, new), strict=True))
    lasting = {path: state for path in new if (state := states[path]) is not None and _settled(path, state)}
    if lasting:
        _write(home() / "file-hashes.sqlite", lasting, computed)
    return [found.get(path) or computed[path] for path in absolute]


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settled(path: Path, state: _State) -> bool:
    """Whether the file did not change while it was read, nor shortly before."""
    return _state(path) == state and max(state[1:]) < time.time_ns() - _RECENT


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return UNREADABLE


def _read(cache: Path) -> Mapping[tuple[str, int, int, int], str]:
    """All cached hashes by path and state; empty if the cache cannot be read."""
    if not cache.is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{_quoted(cache)}?mode=ro", uri=True, timeout=10)) as base:
            rows = base.execute("SELECT path, size, mtime, ctime, digest FROM hashes").fetchall()
    except sqlite3.Error:
        return {}
    return {(path, size, mtime, ctime): digest for path, size, mtime, ctime, digest in rows}


def _write(cache: Path, states: Mapping[Path, _State], digests: Mapping[Path, str]) -> None:
    """Store hashes in one transaction. A cache that cannot be written is left alone, a damaged one is deleted."""
    rows = [
        (str(path), *state, digests[path]) for path, state in states.items() if digests[path] != UNREADABLE
    ]
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache, timeout=10)) as base, base:
            base.execute(_SCHEMA)
            base.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", rows)
    except sqlite3.OperationalError:  # locked, read-only, or no space
        return
    except sqlite3.DatabaseError:  # not a database: remade at the next start
        cache.unlink(missing_ok=True)
    except OSError:
        return


def _quoted(path: Path) -> str:
    return path.as_posix().replace("%", "%25").replace("?", "%3f").replace("#", "%23")
