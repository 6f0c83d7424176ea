"""What identifies a data set is its content, hashed once."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path

import PIL.Image
import pytest

from mafs_bench.datasets import content
from mafs_bench.datasets.content import UNREADABLE, content_revision, file_digests
from mafs_bench.datasets.resolve import resolve
from tests.support.toy import write_toy_folder

LONG_AGO = time.time() - 3600


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAFS_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(content, "_RECENT", -(10**12))  # the files of a test are all new
    return tmp_path / "home"


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []
    digest = content._digest

    def counted(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(content, "_digest", counted)
    return read


def test_a_digest_is_hashlibs(tmp_path: Path) -> None:
    file = write(tmp_path / "a", b"content")
    assert file_digests([file, file]) == [hashlib.sha256(b"content").hexdigest()] * 2


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write(tmp_path / name, name.encode()) for name in "abc"]
    read = count_reads(monkeypatch)
    first = file_digests(files)
    assert sorted(read) == sorted(files)
    assert file_digests(files) == first
    assert len(read) == 3


@pytest.mark.parametrize("keep_time", [False, True])
def test_another_content_of_the_same_size_is_noticed(tmp_path: Path, keep_time: bool) -> None:
    file = write(tmp_path / "a", b"one")
    before = file_digests([file])
    status = file.stat()
    file.write_bytes(b"two")
    if keep_time:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digests([file]) == [hashlib.sha256(b"two").hexdigest()] != before


def test_a_file_that_was_just_written_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_RECENT", 2 * 10**9)
    read = count_reads(monkeypatch)
    file = write(tmp_path / "a", b"content")
    file_digests([file])
    file_digests([file])
    assert len(read) == 2


def test_a_damaged_cache_is_remade(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "file-hashes.sqlite").write_bytes(b"no database" * 100)
    file = write(tmp_path / "a", b"content")
    wanted = [hashlib.sha256(b"content").hexdigest()]
    assert file_digests([file]) == wanted
    assert file_digests([file]) == wanted
    with sqlite3.connect(home / "file-hashes.sqlite") as base:
        assert base.execute("SELECT digest FROM hashes").fetchall() == [tuple(wanted)]


def test_a_home_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = write(tmp_path / "blocked", b"")  # a file where a folder would have to be
    monkeypatch.setenv("MAFS_BENCH_HOME", str(blocked / "home"))
    file = write(tmp_path / "a", b"content")
    assert file_digests([file]) == [hashlib.sha256(b"content").hexdigest()]


def test_a_file_that_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    assert file_digests([tmp_path / "nowhere"]) == [UNREADABLE]


def test_the_revision_covers_annotations_names_and_contents(tmp_path: Path) -> None:
    notes, one, two = (write(tmp_path / name, name.encode()) for name in ("notes", "one", "two"))
    revisions = {content_revision([notes], [one, two]), content_revision([notes], [two, one])}
    one.write_bytes(b"eno")
    revisions.add(content_revision([notes], [one, two]))
    notes.write_bytes(b"seton")
    revisions.add(content_revision([notes], [one, two]))
    assert len(revisions) == 4


def test_an_image_replaced_by_one_of_the_same_size_changes_the_data_set(tmp_path: Path) -> None:
    folder = write_toy_folder(tmp_path / "toy", n=3)
    image = folder / "images" / "001.bmp"
    PIL.Image.new("RGB", (8, 8), "red").save(image)
    (folder / "captions.jsonl").write_text('{"image": "001.bmp", "captions": ["a square"]}\n')
    before, size = resolve(str(folder)).revision, image.stat().st_size
    PIL.Image.new("RGB", (8, 8), "blue").save(image)
    assert image.stat().st_size == size
    assert resolve(str(folder)).revision != before
