"""Encode images and texts once each, spooling what is done so that a kill loses little."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.load import validated
from mafs_bench.adapters.protocols import Embeddings
from mafs_bench.runner.images import ImageItem, ImageJob, stream_images
from mafs_bench.runner.store import write_atomically
from mafs_bench.types import FloatArray

_CHUNK = 128
"""Sources a spooled file: what a kill loses at most."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """All images under one condition.

    digests: uint8 (n, 32), SHA-256 of the corrupted bytes. changes: float64 (n,), mean absolute change in
    grey levels. unreadable: bool (n,).
    """

    embeddings: Embeddings
    digests: npt.NDArray[np.uint8]
    changes: npt.NDArray[np.float64]
    unreadable: npt.NDArray[np.bool_]


def as_embeddings(encoded: FloatArray | Embeddings, n: int, what: str) -> Embeddings:
    """Wrap and validate what an adapter returned. Raises ``AdapterError``."""
    if not isinstance(encoded, Embeddings):
        encoded = Embeddings(encoded, np.ones(n, dtype=bool))
    return replace(encoded, vectors=validated(encoded.vectors, n, what))


def concatenate(parts: Sequence[Embeddings]) -> Embeddings:
    """Put batches one after the other."""
    first = parts[0]
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.present for part in parts]),
        {name: np.concatenate([part.signals[name] for part in parts]) for name in first.signals},
        {name: np.concatenate([part.states[name] for part in parts]) for name in first.states},
    )


def encode_images(
    adapter: Any,
    job: ImageJob,
    *,
    batch_size: int,
    workers: int,
    spool: Path | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> dict[int, EncodedImages]:
    """Encode every source at every severity: one decode and one draw a source, batches that mix severities.

    Finished chunks are kept in ``spool`` and found there again; ``advance`` is told the rows done.
    """
    job = replace(job, preprocess=getattr(adapter, "preprocess", None))
    chunks = [range(i, min(i + _CHUNK, len(job.sources))) for i in range(0, len(job.sources), _CHUNK)]
    done = {chunk.start: file for chunk in chunks if (file := _spooled(spool, chunk.start)) is not None}
    todo = [chunk for chunk in chunks if chunk.start not in done]
    loaded = {start: _unpack(file.read_bytes()) for start, file in done.items()}
    advance(sum(len(chunk) for chunk in chunks if chunk.start in done) * len(job.severities))
    stream = stream_images(
        job,
        [position for chunk in todo for position in chunk],
        batch=max(1, batch_size // len(job.severities)),
        workers=workers,
    )
    pending: list[tuple[ImageItem, Embeddings]] = []
    for items in stream:
        encoded = _encode_items(adapter, items)
        pending += [
            (item, encoded.take(np.arange(i, len(encoded), len(items)))) for i, item in enumerate(items)
        ]
        advance(len(encoded))
        while todo and len(pending) >= len(todo[0]):
            chunk = todo.pop(0)
            loaded[chunk.start] = _gather(pending[: len(chunk)])
            pending = pending[len(chunk) :]
            if spool is not None:
                write_atomically(spool / f"{chunk.start}.npz", _pack(loaded[chunk.start]))
    parts = [loaded[chunk.start] for chunk in chunks]
    return {severity: _severity(parts, k) for k, severity in enumerate(job.severities)}


def drop_spool(spool: Path) -> None:
    """Remove the chunks of cells that are stored."""
    shutil.rmtree(spool, ignore_errors=True)


def _encode_items(adapter: Any, items: Sequence[ImageItem]) -> Embeddings:
    """Rows severity by severity: all items at the first severity, then all at the second …"""
    rows = [item.arrays[k] for k in range(len(items[0].arrays)) for item in items]
    if hasattr(adapter, "encode_pixels"):
        encoded = adapter.encode_pixels(np.stack(rows))
    else:
        encoded = adapter.encode_images(rows)
    return as_embeddings(encoded, len(rows), "images")


def _gather(pairs: Sequence[tuple[ImageItem, Embeddings]]) -> dict[str, npt.NDArray[Any]]:
    """Stack a chunk's items into arrays (n, severities, …)."""
    embeddings = [embedded for _, embedded in pairs]
    arrays: dict[str, npt.NDArray[Any]] = {
        "vectors": np.stack([e.vectors for e in embeddings]),
        "digests": np.stack([[np.frombuffer(d, np.uint8) for d in item.digests] for item, _ in pairs]),
        "changes": np.array([item.changes for item, _ in pairs]),
        "unreadable": np.array([item.error is not None for item, _ in pairs]),
    }
    for kind in ("signals", "states"):
        for name in getattr(embeddings[0], kind):
            arrays[f"{kind}.{name}"] = np.stack([getattr(e, kind)[name] for e in embeddings])
    return arrays


def _severity(parts: Sequence[dict[str, npt.NDArray[Any]]], k: int) -> EncodedImages:
    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([part[name][:, k] for part in parts])

    unreadable = np.concatenate([part["unreadable"] for part in parts])
    extras = {
        kind: {name.partition(".")[2]: joined(name) for name in parts[0] if name.startswith(f"{kind}.")}
        for kind in ("signals", "states")
    }
    vectors = np.ascontiguousarray(joined("vectors"))
    embeddings = Embeddings(vectors, ~unreadable, extras["signals"], extras["states"])
    return EncodedImages(embeddings, joined("digests"), joined("changes"), unreadable)


def _spooled(spool: Path | None, start: int) -> Path | None:
    file = spool / f"{start}.npz" if spool is not None else None
    return file if file is not None and file.is_file() else None


def _pack(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpack(data: bytes) -> dict[str, npt.NDArray[Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def encode_texts(adapter: Any, texts: Sequence[str]) -> Embeddings:
    """Encode texts, each distinct one once, in an order that does not depend on theirs."""
    distinct = sorted(set(texts))
    row = {text: i for i, text in enumerate(distinct)}
    encoded = as_embeddings(adapter.encode_texts(distinct), len(distinct), "texts")
    return encoded.take(np.array([row[text] for text in texts], dtype=np.int64))


def digest_of(parts: Sequence[bytes]) -> str:
    """SHA-256 over byte strings, hexadecimal; each is length-prefixed."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little") + part)
    return state.hexdigest()
