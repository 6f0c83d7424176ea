"""What a server answered, stored as it arrives: SQLite files that survive ``kill -9`` and that runs may share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from mafs_bench.adapters.endpoint.replies import Reply
from mafs_bench.errors import StoreError

FILE = "answers-1.sqlite"
"""The name of the file in its folder; the number is that of its format."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, reply TEXT NOT NULL, fetched INTEGER NOT NULL)"
)
_COUNTED = {
    "requests": "1",
    "from_cache": "1 - fetched",
    "tokens_in": "fetched * json_extract(reply, '$.tokens_in')",
    "tokens_out": "fetched * json_extract(reply, '$.tokens_out')",
    "server_seconds": "fetched * json_extract(reply, '$.seconds')",
    "refused": "json_extract(reply, '$.refused')",
    "empty": "json_extract(reply, '$.text') = ''",
}
_USAGE = f"SELECT {', '.join(f'sum({value})' for value in _COUNTED.values())} FROM answers"
_BUSY_SECONDS = 60.0


class Answers:
    """Replies by the hash of their request, in the files of several folders: read from any, written to all.

    The first folder is the run's own, which its usage is counted in; without folders replies are kept in memory.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """Open or create the files. Raises ``StoreError``."""
        self.files = tuple(folder / FILE for folder in folders)
        self._lock = Lock()
        self._databases = [_open(str(file)) for file in self.files] or [_open(":memory:")]

    def get(self, key: str) -> Reply | None:
        """The reply to a request, None where there is none. Raises ``StoreError``."""
        with self._lock:
            for place, database in enumerate(self._databases):
                found = self._execute(database, "SELECT reply FROM answers WHERE key = ?", (key,))
                if found:
                    if place:
                        self._put(self._databases[:place], key, str(found[0][0]), fetched=False)
                    return self._reply(str(found[0][0]))
        return None

    def _reply(self, text: str) -> Reply:
        try:
            return Reply(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{_name(self.files)} is damaged: {error}") from error

    def put(self, key: str, reply: Reply) -> None:
        """Store a reply that has just come. Raises ``StoreError``."""
        with self._lock:
            self._put(self._databases, key, reply.to_json(), fetched=True)

    def usage(self) -> dict[str, float]:
        """What the run has asked so far: requests, those that the cache answered, tokens, seconds of the server.

        Also how many answers were refused, and how many were empty, those included.
        """
        with self._lock:
            rows = self._execute(self._databases[0], _USAGE)
        return {name: float(str(value or 0)) for name, value in zip(_COUNTED, rows[0], strict=True)}

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for database in self._databases:
                database.close()

    def _put(self, databases: Sequence[sqlite3.Connection], key: str, reply: str, *, fetched: bool) -> None:
        for database in databases:
            self._execute(
                database, "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, reply, int(fetched))
            )

    def _execute(
        self, database: sqlite3.Connection, statement: str, values: Sequence[object] = ()
    ) -> list[tuple[object, ...]]:
        try:
            return database.execute(statement, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{_name(self.files)}: {error}") from error


def _name(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files)) or "answers in memory"


def _open(file: str) -> sqlite3.Connection:
    """A database whose every statement is its own transaction; a write-ahead log keeps that cheap."""
    try:
        if file != ":memory:":
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_TABLE)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{file}: answers cannot be stored there: {error}") from error
    return database
