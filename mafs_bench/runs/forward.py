"""Image batches through an adapter: from the cache where one is kept, in half batches where memory ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.adapters.memory import free_device_memory, is_out_of_memory
from mafs_bench.adapters.vectors import as_embeddings
from mafs_bench.errors import ResourceError
from mafs_bench.runs.cache import EmbeddingCache

T = TypeVar("T")
Finish = Callable[[], Embeddings]
"""Waits for rows that are being encoded."""


@dataclass
class Forward:
    """Encodes rows, ``batch_size`` at a time at most. Out of memory halves that once, for good, and says so."""

    adapter: Adapter
    batch_size: int
    cache: EmbeddingCache | None = None
    note: Callable[[str], None] = lambda line: None
    halved: bool = False

    def __call__(self, rows: Sequence[npt.NDArray[Any]], digests: Sequence[bytes]) -> Embeddings:
        """Encode rows whose corrupted bytes have these SHA-256. Raises ``AdapterError``, ``ResourceError``."""
        return self.start(rows, digests)()

    def start(self, rows: Sequence[npt.NDArray[Any]], digests: Sequence[bytes]) -> Finish:
        """Begin that; what is given back waits for it, so that the next rows can be got ready meanwhile."""
        known = self.cache.get(digests) if self.cache is not None else {}
        missing = [i for i, digest in enumerate(digests) if digest not in known]
        finish = self._encode([rows[i] for i in missing]) if missing else None
        return lambda: self._put_together(digests, known, missing, finish)

    def _put_together(
        self,
        digests: Sequence[bytes],
        known: Mapping[bytes, Embeddings],
        missing: Sequence[int],
        finish: Finish | None,
    ) -> Embeddings:
        """The known rows and those that are being made, in the order of ``digests``; the latter are kept."""
        if self.cache is None and finish is not None:
            return finish()
        made = concatenate([*known.values(), *([finish()] if finish is not None else [])])
        place = {digest: i for i, digest in enumerate(known)}
        place |= {digests[i]: len(known) + k for k, i in enumerate(missing)}
        ordered = made.take(np.array([place[digest] for digest in digests], dtype=np.int64))
        if self.cache is not None and missing:
            self.cache.put([digests[i] for i in missing], ordered.take(np.array(missing, dtype=np.int64)))
        return ordered

    def _encode(self, rows: Sequence[npt.NDArray[Any]]) -> Finish:
        try:
            parts = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
            begun = [self._batch(part) for part in parts]
            return lambda: concatenate([finish() for finish in begun])
        except (RuntimeError, MemoryError) as error:
            self._require_halvable(error)
        self._halve()
        return self._encode(rows)

    def in_parts(self, n: int, run: Callable[[slice], Sequence[T]]) -> list[T]:
        """What ``run`` gives for n rows, at most ``batch_size`` at a time; out of memory halves that once, for good.

        Raises ``ResourceError`` where half is still too much.
        """
        made: list[T] = []
        while len(made) < n:
            try:
                made += run(slice(len(made), min(n, len(made) + self.batch_size)))
                continue
            except (RuntimeError, MemoryError) as error:
                self._require_halvable(error)
            self._halve()
        return made

    def _require_halvable(self, error: RuntimeError | MemoryError) -> None:
        """Raise ``error`` itself where it is another, ``ResourceError`` where half a batch has been tried."""
        if not is_out_of_memory(error):
            raise error
        if self.halved or self.batch_size == 1:
            raise memory_error(self.batch_size) from error

    def _halve(self) -> None:
        """Continue with half batches; called after the error has released its memory."""
        free_device_memory()
        self.note(
            f"out of memory at {self.batch_size} images per batch; continuing with {self.batch_size // 2}"
        )
        self.batch_size, self.halved = self.batch_size // 2, True

    def _batch(self, rows: Sequence[npt.NDArray[Any]]) -> Finish:
        if self.adapter.supports("encode_pixels"):
            finish = self.adapter.start_pixels(np.stack(rows))
            return lambda: as_embeddings(finish(), len(rows), "images")
        encoded = as_embeddings(self.adapter.encode_images(list(rows)), len(rows), "images")
        return lambda: encoded


def concatenate(parts: Sequence[Embeddings]) -> Embeddings:
    """Put batches one after the other."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.present for part in parts]),
        {name: np.concatenate([part.signals[name] for part in parts]) for name in first.signals},
        {name: np.concatenate([part.states[name] for part in parts]) for name in first.states},
    )


@contextmanager
def memory_in_one_line(batch_size: int) -> Iterator[None]:
    """Turn whatever an adapter raises when memory runs out into ``ResourceError``."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise memory_error(batch_size) from error


def memory_error(batch_size: int) -> ResourceError:
    """The error if half a batch is still too large."""
    return ResourceError(f"out of memory at {batch_size} images per batch; choose a smaller --batch-size")
