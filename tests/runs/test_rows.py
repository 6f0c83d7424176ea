"""Rows kept in files: the same as in memory, found again, and refused when they are damaged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.adapters.object_adapter import as_adapter
from mafs_bench.errors import StoreError
from mafs_bench.runs import encode as encode_module
from mafs_bench.runs import rows as rows_module
from mafs_bench.runs.encode import drop_all_but, encode_images, encode_jobs
from mafs_bench.runs.forward import Forward
from mafs_bench.runs.images import ImageJob
from mafs_bench.runs.rows import RowWriter, StoredRows, append, open_rows, select, stored_severity


def numbers(n: int, offset: int = 0) -> np.ndarray:
    return (offset + np.arange(n * 6, dtype=np.float32)).reshape(n, 2, 3)


def written(path: Path | None, array: np.ndarray) -> rows_module.FileRows:
    writer = RowWriter(path, array[0])
    writer.add(array[:2])
    writer.add(array[2:])
    return writer.finish()


@pytest.mark.parametrize("named", [True, False])
def test_rows_of_files_are_those_of_the_array(tmp_path: Path, named: bool) -> None:
    first, second = numbers(5), numbers(4, 100)
    files = [written(tmp_path / f"{k}" if named else None, x) for k, x in enumerate((first, second))]
    both = np.concatenate([first, second])
    stored = StoredRows(tuple(files), np.arange(9))
    for index in ([8, 0, 0, 4, 5], [1], [2, 1], [0, 1, 2], [6, 8]):
        np.testing.assert_array_equal(stored[np.array(index)], both[index])
    np.testing.assert_array_equal(stored.select(np.array([7, 3]))[np.array([1, 1, 0])], both[[3, 3, 7]])


def test_severities_stand_together_in_a_chunk(tmp_path: Path) -> None:
    chunks = [numbers(6), numbers(4, 500)]
    stored = stored_severity([written(None, chunk) for chunk in chunks], severities=2, k=1)
    np.testing.assert_array_equal(stored[np.arange(5)], np.concatenate(chunks)[1::2])


def test_a_blank_stands_behind_rows_of_files() -> None:
    array, blank = numbers(3), numbers(1, 900)
    more = append(StoredRows((written(None, array),), np.array([2, 0])), blank)
    np.testing.assert_array_equal(more[np.array([0, 1, 2])], np.concatenate([array[[2, 0]], blank]))
    np.testing.assert_array_equal(append(array, blank), np.concatenate([array, blank]))


def test_a_selection_reads_nothing_of_files() -> None:
    states = {"tokens": StoredRows((numbers(3),), np.arange(3)), "mass": np.arange(3.0)}
    embedded = Embeddings(np.eye(3, dtype=np.float32), np.ones(3, dtype=bool), {}, states)  # type: ignore[arg-type]
    chosen = select(embedded, np.array([2, 2, 0]))
    assert isinstance(chosen.states["tokens"], StoredRows)
    np.testing.assert_array_equal(chosen.states["mass"], [2, 2, 0])
    taken = chosen.take(np.array([2]))
    np.testing.assert_array_equal(taken.states["tokens"], numbers(3)[[0]])


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "0.rows"
    written(file, numbers(4)).file.close()
    assert open_rows(file, numbers(1), 4)[np.array([3])].shape == (1, 2, 3)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(OSError, match="not 96"):
        open_rows(file, numbers(1), 4)


class Source:
    def __init__(self, value: int) -> None:
        self.name, self.value = str(value), value

    def load(self) -> np.ndarray:
        return np.full((4, 4, 3), self.value, dtype=np.uint8)


def tower(calls: list[int]) -> Adapter:
    def encode_images(images: list[np.ndarray]) -> Embeddings:
        calls.append(len(images))
        tokens = np.stack([image[..., 0].astype(np.float32) for image in images])
        vectors = np.tile(np.float32([1, 0]), (len(images), 1))
        return Embeddings(vectors, np.ones(len(images), dtype=bool), {}, {"tokens": tokens})

    return as_adapter(SimpleNamespace(encode_images=encode_images))


def test_encoding_is_the_same_where_states_go_to_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [Source(k) for k in range(150)]
    job = ImageJob(sources, [s.name for s in sources], None, (0,), 0)
    kept = encode_images(tower([]), job, batch_size=32, workers=1)[0].embeddings.states["tokens"]
    monkeypatch.setattr(rows_module, "LARGE", 1)
    calls: list[int] = []
    for _ in range(2):
        made = encode_images(tower(calls), job, batch_size=32, workers=1, spool=tmp_path / "spool")
        stored = made[0].embeddings.states["tokens"]
        assert isinstance(stored, StoredRows)
        np.testing.assert_array_equal(stored[np.arange(150)], kept)
    assert sum(calls) == 150, "the second time all is found in the spool"
    (tmp_path / "spool" / "128.tokens.rows").write_bytes(b"")
    encode_images(tower(calls), job, batch_size=32, workers=1, spool=tmp_path / "spool")
    assert sum(calls) == 150 + 22, "only the chunk whose file is damaged is encoded again"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's disk that is always full is not here")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.zeros((2, 1 << 14), dtype=np.float32)
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: path.touch() or opened(Path("/dev/full"), mode))
    for path in (tmp_path / "0.tokens.rows", tmp_path / "1.tokens.rows"):
        writer = RowWriter(path, rows[0])
        with pytest.raises(
            StoreError, match=f"cannot write {path}: No space left on device; token states need"
        ):
            writer.add(rows)
    small = RowWriter(tmp_path / "2.tokens.rows", rows[0, :1])
    small.add(rows[:, :1])  # still buffered
    with pytest.raises(StoreError, match="No space left on device"):
        small.finish()
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LARGE", 1)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=150 * 64 - 1))
    job = ImageJob([Source(k) for k in range(150)], [str(k) for k in range(150)], None, (0,), 0)
    spool = tmp_path / "run" / ".partial" / "clean"
    with pytest.raises(StoreError, match=f"token states need 0.0 GB in {spool}, which has 0.0 GB"):
        encode_images(tower([]), job, batch_size=32, workers=0, spool=spool)
    assert not spool.exists()


def test_what_token_states_will_take_is_said_once_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LARGE", 1)
    monkeypatch.setattr(encode_module, "_WORTH_SAYING", 1)
    job = ImageJob([Source(k) for k in range(150)], [str(k) for k in range(150)], None, (0,), 0)
    lines: list[str] = []
    forward = Forward(tower([]), 32, note=lines.append)
    for _ in range(2):
        list(encode_jobs(forward, [(job, tmp_path / "clean")], workers=0))
    assert lines == [f"token states: 0.0 GB in {tmp_path / 'clean'}, until its conditions are stored"]


def test_the_files_of_stored_corruptions_go(tmp_path: Path) -> None:
    for name in ("clean", "fog-12345", "snow-12345", "snow-45"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.npz").touch()
    drop_all_but(tmp_path, {"clean", "snow-45"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "snow-45"]
    drop_all_but(tmp_path / "none", set())
