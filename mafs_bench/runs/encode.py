"""Encode images and texts once each, spooling what is done so that a kill loses little."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.adapters.vectors import as_embeddings
from mafs_bench.runs.cache import EmbeddingCache
from mafs_bench.runs.forward import Finish, Forward, concatenate
from mafs_bench.runs.images import ImageItem, ImageJob, stream_jobs
from mafs_bench.runs.rows import FileRows, RowWriter, check_room, is_large, open_rows, stored_severity
from mafs_bench.runs.store import write_atomically

_CHUNK = 128
"""Sources a spooled file: what a kill loses at most."""

_WORTH_SAYING = 1 << 30
"""Bytes of a job's token states on disk, from which on the run reports them."""

_LARGE = "large"
"""Marks states of a chunk that are stored in a separate file: an array without rows."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """All images under one condition.

    digests: uint8 (n, 32), SHA-256 of the corrupted bytes. changes: float64 (n,), mean absolute change in
    grey levels.
    """

    embeddings: Embeddings
    digests: npt.NDArray[np.uint8]
    changes: npt.NDArray[np.float64]


def encode_images(
    adapter: Adapter,
    job: ImageJob,
    *,
    batch_size: int,
    workers: int,
    spool: Path | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> dict[int, EncodedImages]:
    """Encode every source at every severity: one decode and one draw a source, batches that mix severities.

    Finished chunks are kept in ``spool`` and reused; ``advance`` is called with the number of finished rows.
    """
    stream = encode_jobs(Forward(adapter, batch_size), [(job, spool)], workers=workers, advance=advance)
    return next(stream)


def encode_jobs(
    forward: Forward,
    jobs: Iterable[tuple[ImageJob, Path | None]],
    *,
    workers: int,
    advance: Callable[[int], None] = lambda rows: None,
) -> Iterator[dict[int, EncodedImages]]:
    """Encode jobs in order, each with its spool; severity -> images for each.

    A batch that the end of one job does not fill is completed from the next job, whose images are already in progress.
    """
    adapter = forward.adapter
    preprocess = adapter.preprocess if adapter.supports("encode_pixels") else None
    made = [_Job(replace(job, preprocess=preprocess), spool, forward.note) for job, spool in jobs]
    todo = ((one.job, one.missing()) for one in made)
    rows = _encode_items(forward, stream_jobs(todo, workers=workers), advance)
    for number, one in enumerate(made):
        advance(one.rows_found())
        while not one.complete():
            owner, item, encoded = next(rows)
            made[owner].add(item, encoded)
        yield one.result()
        made[number] = _Job(replace(one.job, sources=(), ids=()), None, forward.note)  # frees its arrays


class _Job:
    """What is there of one job, chunk by chunk."""

    def __init__(self, job: ImageJob, spool: Path | None, note: Callable[[str], None]) -> None:
        self.job = job
        self._spool = spool
        self._note = note
        n = len(job.sources)
        self._chunks = [range(i, min(i + _CHUNK, n)) for i in range(0, n, _CHUNK)]
        self._loaded: dict[int, Arrays] = {}
        self._stored: dict[int, dict[str, FileRows]] = {}
        self._writers: dict[str, RowWriter] = {}
        self._pending: list[tuple[ImageItem, Embeddings]] = []
        self._searched = False
        self._has_room = False

    def missing(self) -> list[int]:
        """Positions of the sources that are not in the spool."""
        if not self._searched:
            found = {chunk.start: self._read(chunk) for chunk in self._chunks}
            self._loaded = {start: arrays for start, arrays in found.items() if arrays is not None}
            self._searched = True
        return [i for chunk in self._chunks if chunk.start not in self._loaded for i in chunk]

    def rows_found(self) -> int:
        """Images that were already in the spool."""
        return (len(self.job.sources) - len(self.missing())) * len(self.job.severities)

    def complete(self) -> bool:
        """Whether every chunk is there."""
        return len(self._loaded) == len(self._chunks)

    def add(self, item: ImageItem, encoded: Embeddings) -> None:
        """Take the next source's rows; a chunk that is full is spooled."""
        chunk = self._chunks[item.position // _CHUNK]
        self._pending.append((item, self._without_large(encoded, chunk.start)))
        if item.position == chunk[-1]:
            self._stored[chunk.start] = {name: writer.finish() for name, writer in self._writers.items()}
            self._loaded[chunk.start] = _gather(self._pending, self._stored[chunk.start])
            self._pending, self._writers = [], {}
            if self._spool is not None:
                write_atomically(self._file(chunk.start), _pack(self._loaded[chunk.start]))

    def result(self) -> dict[int, EncodedImages]:
        """All images, per severity."""
        parts = [self._loaded[chunk.start] for chunk in self._chunks]
        stored = [self._stored[chunk.start] for chunk in self._chunks]
        return {severity: self._severity(parts, stored, k) for k, severity in enumerate(self.job.severities)}

    def _severity(
        self, parts: Sequence[Arrays], stored: Sequence[Mapping[str, FileRows]], k: int
    ) -> EncodedImages:
        encoded = _severity(parts, k)
        if not stored or not stored[0]:
            return encoded
        large = {
            name: stored_severity([chunk[name] for chunk in stored], len(self.job.severities), k)
            for name in stored[0]
        }
        states: dict[str, Any] = {**encoded.embeddings.states, **large}
        return replace(encoded, embeddings=replace(encoded.embeddings, states=states))

    def _without_large(self, encoded: Embeddings, start: int) -> Embeddings:
        """Write the states that are large to their files, and give the others."""
        large = {name for name, rows in encoded.states.items() if is_large(rows[0])}
        self._make_sure_of_room(sum(encoded.states[name].nbytes for name in large))
        for name in large:
            if name not in self._writers:
                file = self._file(start, f".{name}.rows") if self._spool is not None else None
                self._writers[name] = RowWriter(file, encoded.states[name][0])
            self._writers[name].add(encoded.states[name])
        return replace(encoded, states={n: rows for n, rows in encoded.states.items() if n not in large})

    def _make_sure_of_room(self, each: int) -> None:
        """Before the first missing source is written (``each`` bytes per source): report the size, or refuse."""
        if self._has_room or not each:
            return
        size = each * len(self.missing())
        check_room(self._spool, size)
        if size >= _WORTH_SAYING and self._spool is not None:
            self._note(f"token states: {size / 1e9:.1f} GB in {self._spool}, until its conditions are stored")
        self._has_room = True

    def _file(self, start: int, ending: str = ".npz") -> Path:
        assert self._spool is not None
        return self._spool / f"{start}{ending}"

    def _read(self, chunk: range) -> Arrays | None:
        """A spooled chunk; a damaged one is named and made again."""
        start = chunk.start
        if self._spool is None or not (file := self._file(start)).is_file():
            return None
        try:
            arrays = _unpack(file.read_bytes())
            self._stored[start] = {
                name.partition(".")[2]: open_rows(
                    self._file(start, f"{name.removeprefix(_LARGE)}.rows"),
                    row,
                    len(chunk) * len(self.job.severities),
                )
                for name, row in arrays.items()
                if name.startswith(_LARGE)
            }
            return arrays
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            self._note(f"{file} is damaged ({type(error).__name__}); its images are encoded again")
            return None


def _encode_items(
    forward: Forward, items: Iterator[tuple[int, ImageItem]], advance: Callable[[int], None]
) -> Iterator[tuple[int, ImageItem, Embeddings]]:
    """Encode the rows of items in batches that are always full but for the last one."""
    waiting: deque[tuple[int, ImageItem]] = deque()
    left: list[Embeddings] = []
    for new in _one_ahead(forward, _batches(forward, items, waiting)):
        advance(len(new))
        encoded, used = concatenate([*left, new]), 0
        while waiting and len(encoded) - used >= len(waiting[0][1].digests):
            number, item = waiting.popleft()
            index = np.arange(used, used + len(item.digests))
            used += len(index)
            yield number, item, encoded.take(index)
        left = [encoded.take(np.arange(used, len(encoded)))] if used < len(encoded) else []


def _batches(
    forward: Forward, items: Iterator[tuple[int, ImageItem]], waiting: deque[tuple[int, ImageItem]]
) -> Iterator[tuple[list[npt.NDArray[Any]], list[bytes]]]:
    """Cut the rows of items, with their digests, into batches; the items go to ``waiting``."""
    rows: list[npt.NDArray[Any]] = []
    digests: list[bytes] = []
    for number, item in items:
        waiting.append((number, replace(item, arrays=[])))
        rows += item.arrays
        digests += item.digests
        while len(rows) >= (size := forward.batch_size):
            yield rows[:size], digests[:size]
            del rows[:size], digests[:size]
    if rows:
        yield rows, digests


def _one_ahead(
    forward: Forward, batches: Iterable[tuple[list[npt.NDArray[Any]], list[bytes]]]
) -> Iterator[Embeddings]:
    """Begin a batch before the one ahead of it is waited for: a device is never without work."""
    ahead: Finish | None = None
    for rows, digests in batches:
        begun = forward.start(rows, digests)
        if ahead is not None:
            yield ahead()
        ahead = begun
    if ahead is not None:
        yield ahead()


def drop_spool(spool: Path) -> None:
    """Remove the chunks of cells that are stored."""
    shutil.rmtree(spool, ignore_errors=True)


def drop_all_but(spool: Path, kept: Collection[str]) -> None:
    """Remove the chunks of all jobs but those of these names."""
    for folder in spool.iterdir() if spool.is_dir() else ():
        if folder.name not in kept:
            drop_spool(folder)


def _gather(pairs: Sequence[tuple[ImageItem, Embeddings]], stored: Mapping[str, FileRows]) -> Arrays:
    """Stack a chunk's items into arrays (n, severities, …); of what is stored, say what a row looks like."""
    embeddings = [embedded for _, embedded in pairs]
    arrays: Arrays = {
        "vectors": np.stack([e.vectors for e in embeddings]),
        "digests": np.stack([[np.frombuffer(d, np.uint8) for d in item.digests] for item, _ in pairs]),
        "changes": np.array([item.changes for item, _ in pairs]),
    }
    for kind in ("signals", "states"):
        for name in getattr(embeddings[0], kind):
            arrays[f"{kind}.{name}"] = np.stack([getattr(e, kind)[name] for e in embeddings])
    arrays |= {f"{_LARGE}.{name}": np.empty((0, *rows.shape), rows.dtype) for name, rows in stored.items()}
    return arrays


def _severity(parts: Sequence[Arrays], k: int) -> EncodedImages:
    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([part[name][:, k] for part in parts])

    extras = {
        kind: {name.partition(".")[2]: joined(name) for name in parts[0] if name.startswith(f"{kind}.")}
        for kind in ("signals", "states")
    }
    vectors = np.ascontiguousarray(joined("vectors"))
    present = np.ones(len(vectors), dtype=bool)
    embeddings = Embeddings(vectors, present, extras["signals"], extras["states"])
    return EncodedImages(embeddings, joined("digests"), joined("changes"))


def _pack(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpack(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def encode_texts(
    adapter: Adapter, texts: Sequence[str], cache: EmbeddingCache | None = None, *, batch_size: int = 64
) -> Embeddings:
    """Encode texts, each distinct one once, ``batch_size`` at a time, in an order that does not depend on theirs."""
    distinct = sorted(set(texts))
    digests = {text: hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in distinct}
    known = cache.get(list(digests.values())) if cache is not None else {}
    missing = [text for text in distinct if digests[text] not in known]
    parts = [known[digests[text]] for text in distinct if digests[text] in known]
    batches = [missing[i : i + batch_size] for i in range(0, len(missing), batch_size)]
    for batch in batches or [[]] * (not parts):
        parts.append(as_embeddings(adapter.encode_texts(batch), len(batch), "texts"))
        if cache is not None:
            cache.put([digests[text] for text in batch], parts[-1])
    made = [text for text in distinct if digests[text] in known] + missing
    row = {text: i for i, text in enumerate(made)}
    return concatenate(parts).take(np.array([row[text] for text in texts], dtype=np.int64))


def digest_of(parts: Sequence[bytes]) -> str:
    """SHA-256 over byte strings, hexadecimal; each is length-prefixed."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little") + part)
    return state.hexdigest()
