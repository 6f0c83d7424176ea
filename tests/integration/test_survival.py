"""What a run survives, and what it says where it cannot go on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mafs_bench.runs.store import read_run
from tests.support import forked, survival_adapters
from tests.support.forked import Forked
from tests.support.results_folder import contents
from tests.support.toy import TOY_ADAPTER, write_toy_folder

CORRUPTIONS = "contrast,keyboard"
MOMENTS = int(os.environ.get("MAFS_BENCH_KILLS", "4"))


def adapter(name: str) -> str:
    return f"{survival_adapters.__file__}:{name}"


def options(folder: Path, out: str | Path, *more: str, model: str = TOY_ADAPTER) -> list[str]:
    words = ["run", "--model", model, "--dataset", str(folder / "toy"), "--out", str(folder / out)]
    return [*words, "--corruption", CORRUPTIONS, "--task", "retrieval", "--severity", "1,5", *more]


def start(folder: Path, out: str | Path, *more: str, model: str = TOY_ADAPTER, **how: Any) -> Forked:
    return forked.start(options(folder, out, *more, model=model), folder, **how)


def run(folder: Path, out: str | Path, *more: str, model: str = TOY_ADAPTER, **how: Any) -> Forked:
    return start(folder, out, *more, model=model, **how).wait()


def wait_for(there: Callable[[], bool], process: Forked) -> None:
    deadline = time.monotonic() + 60
    while not there() and process.returncode is None and time.monotonic() < deadline:
        time.sleep(0.005)


def refused_in_one_line(done: Forked, *words: str) -> None:
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("mafs-bench: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in last


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("survival")
    write_toy_folder(folder / "toy")
    done = run(folder, "reference")
    assert done.returncode == 0, done.stderr
    return folder


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(toys: Path) -> None:
    """Killed again and again at random moments of a run, resumed each time."""
    rng = random.Random(0)
    for moment in range(MOMENTS):
        out = f"killed-{moment}"
        process = start(toys, out)
        wait_for((toys / out / "spec.json").exists, process)
        time.sleep(rng.uniform(0, 0.4))
        process.kill(signal.SIGKILL)
        process.wait()
        done = run(toys, out, "--quiet")
        assert done.returncode == 0, done.stderr
        assert contents(toys / out) == contents(toys / "reference")


def test_of_two_runs_into_one_folder_one_wins(toys: Path) -> None:
    first = start(toys, "two", "--batch-size", "1", model=adapter("Slow"))
    wait_for((toys / "two" / "spec.json").exists, first)
    second = run(toys, "two", model=adapter("Slow"))
    refused_in_one_line(second, "is in use by another run")
    assert first.wait().returncode == 0
    assert len(read_run(toys / "two").results) == 5


def test_a_file_that_cannot_grow_is_named(toys: Path) -> None:
    refused_in_one_line(run(toys, "limited", file_limit=2048), "cannot write", "limited")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mounted, capture_output=True).returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_is_said_and_what_was_finished_stays(toys: Path, small_disk: Path) -> None:
    refused_in_one_line(run(toys, small_disk / "out"), "No space left on device", "free some space")
    assert not list(small_disk.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    done = run(toys, small_disk / "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert contents(small_disk / "out") == contents(toys / "reference")


def test_a_read_only_folder_is_one_line(toys: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused_in_one_line(run(toys, tmp_path / "file" / "out"), "cannot write", "Not a directory")
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        refused_in_one_line(run(toys, tmp_path / "closed" / "out"), "Permission denied")
        return
    mounted = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mounted, capture_output=True).returncode == 0:
        try:
            refused_in_one_line(run(toys, tmp_path / "out"), "cannot write", "Read-only file system")
        finally:
            subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_worker_that_dies_costs_nothing(toys: Path, tmp_path: Path) -> None:
    mark = {"SURVIVAL_MARK": str(tmp_path / "mark")}
    for name in ("Whole", "KillsOnce"):
        done = run(toys, name, "--workers", "2", "--quiet", model=adapter(name), environment=mark)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "mark").exists()
    scores = [
        {k: v for k, v in contents(toys / n).items() if "spec" not in k} for n in ("Whole", "KillsOnce")
    ]
    assert scores[0] == scores[1]


def test_workers_that_keep_on_dying_are_one_line(toys: Path) -> None:
    done = run(toys, "dying", model=adapter("KillsAlways"))
    refused_in_one_line(done, "a worker process died 3 times over", "000.png", "--workers 0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_what_is_stored(toys: Path, number: signal.Signals) -> None:
    out = f"stopped-{number.name}"
    process = start(toys, out, "--batch-size", "1", model=adapter("Slow"))
    wait_for(lambda: bool(list(toys.glob(f"{out}/cells/*"))), process)
    process.kill(number, group=True)
    assert process.wait().returncode == 130, process.stderr
    said = process.stderr
    stored = len(list(toys.glob(f"{out}/cells/*.parquet")))
    assert f"stopped; {stored} of 5 cells are stored in" in said.splitlines()[-1]
    assert "Traceback" not in said
    done = run(toys, out, "--quiet", model=adapter("Slow"))
    assert done.returncode == 0, done.stderr
    reference = contents(toys / "reference")
    assert all(reference[k] == v for k, v in contents(toys / out).items() if k != "spec.json")


def test_no_process_outlives_a_killed_run(toys: Path) -> None:
    process = start(toys, "orphans", "--workers", "2", "--batch-size", "1", model=adapter("Slow"))
    wait_for(lambda: bool(list(toys.glob("orphans/cells/*"))), process)
    process.kill(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and members(process.pid):
        time.sleep(0.05)
    assert members(process.pid) == []


def members(session: int) -> list[int]:
    """Processes of a session that are not yet dead."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *numbers = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(numbers[2]) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_changed_data_set_is_refused(toys: Path) -> None:
    shutil.copytree(toys / "toy", toys / "changing")
    other = ("--dataset", str(toys / "changing"), "--quiet")
    assert run(toys, "changed", *other).returncode == 0
    captions = toys / "changing" / "captions.jsonl"
    captions.write_text(captions.read_text().replace("picture number 3", "picture number 4"))
    refused_in_one_line(run(toys, "changed", *other), "holds another run: revision is")


def copy_of_reference(toys: Path, name: str) -> Path:
    return Path(shutil.copytree(toys / "reference", toys / name))


@pytest.mark.parametrize("damage", [b"", b"PAR1 no", bytes(2000)], ids=["empty", "cut", "zeros"])
def test_a_damaged_cell_is_run_again(toys: Path, damage: bytes) -> None:
    out = copy_of_reference(toys, f"cell-{len(damage)}")
    (out / "cells" / "retrieval--contrast-5.parquet").write_bytes(damage)
    (out / "results.json").write_text("{")
    done = run(toys, out)
    assert done.returncode == 0, done.stderr
    assert "retrieval--contrast-5.parquet is damaged" in done.stderr
    assert contents(out) == contents(toys / "reference")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"model": 1}', "null"])
def test_a_damaged_spec_is_named(toys: Path, damage: str) -> None:
    out = copy_of_reference(toys, f"spec-{damage or 'empty'}".replace('"', ""))
    (out / "spec.json").write_text(damage)
    refused_in_one_line(run(toys, out), "spec.json is damaged")


def test_a_damaged_spool_file_is_made_again(toys: Path) -> None:
    out = copy_of_reference(toys, "spooled")
    for cell in (out / "cells").glob("*contrast*"):
        cell.unlink()
    spool = out / ".partial" / "contrast-15"
    spool.mkdir(parents=True)
    (spool / "0.npz").write_bytes(b"PK\x03\x04 not much")
    done = run(toys, out)
    assert done.returncode == 0, done.stderr
    assert "0.npz is damaged" in done.stderr
    assert contents(out) == contents(toys / "reference")


def test_a_clock_that_goes_backwards_changes_nothing(toys: Path) -> None:
    out = toys / "clock"
    patch = "import itertools, time; ticks = itertools.count(2e9, -3600); time.time = lambda: next(ticks)"
    done = run(toys, out, "--cache", str(toys / "clock-cache"), before=patch)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(toys / "reference")
    assert "(-" not in done.stderr


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 samples; one picture in a hundred is cut off."""
    folder = tmp_path_factory.mktemp("thousand")
    write_toy_folder(folder / "toy", 1000)
    for i in range(7, 1000, 100):
        file = folder / "toy" / "images" / f"{i:03d}.png"
        file.write_bytes(file.read_bytes()[:60])
    return folder


def test_broken_images_are_skipped_and_counted(thousand: Path) -> None:
    done = run(thousand, "skip", "--on-error", "skip", "--severity", "3", "--corruption", "contrast")
    assert done.returncode == 0, done.stderr
    for cell in read_run(thousand / "skip").results:
        assert (cell.metrics["i2t_r1"].n, cell.metrics["i2t_r1"].n_unscored) == (990, 0)
        assert (cell.metrics["t2i_r1"].n, cell.metrics["t2i_r1"].n_unscored) == (1980, 0)
    assert len(read_run(thousand / "skip").spec.skipped) == 10


def test_a_broken_image_is_named(thousand: Path) -> None:
    done = run(thousand, "fail", "--severity", "3")
    refused_in_one_line(done, "007.png", "--on-error skip leaves out what cannot be used")


@pytest.mark.slow
def test_ten_thousand_samples_with_one_broken_in_a_thousand(tmp_path: Path) -> None:
    write_toy_folder(tmp_path / "toy", 10_000)
    for i in range(500, 10_000, 1000):
        (tmp_path / "toy" / "images" / f"{i:03d}.png").write_bytes(b"\x89PNG\r\n")
    refused_in_one_line(run(tmp_path, "fail", "--severity", "3"), "500.png", "--on-error skip")
    only = ("--on-error", "skip", "--severity", "3", "--corruption", "contrast")
    done = start(tmp_path, "skip", *only).wait(timeout=500)
    assert done.returncode == 0, done.stderr
    for cell in read_run(tmp_path / "skip").results:
        assert (cell.metrics["i2t_r1"].n, cell.metrics["i2t_r1"].n_unscored) == (9990, 0)


@pytest.mark.parametrize("name", ["NotANumber", "ZeroLength"])
def test_embeddings_that_are_none_are_one_line(toys: Path, name: str) -> None:
    refused_in_one_line(run(toys, name, model=adapter(name)), "embedding", "must be 1")


@pytest.mark.parametrize("name", ["SmallMemory", "SmallHostMemory"])
def test_out_of_memory_halves_the_batch_once(toys: Path, name: str) -> None:
    done = run(toys, name, "--batch-size", "10", model=adapter(name))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("out of memory at 10 images per batch; continuing with 5") == 1
    cells = read_run(toys / name).results
    assert [cell.audit["batch_halved_to"] for cell in cells] == [5] * 5
    expected = [cell.metrics for cell in read_run(toys / "reference").results]
    assert [cell.metrics for cell in cells] == expected


def test_out_of_memory_twice_is_one_line(toys: Path) -> None:
    done = run(toys, "tiny", "--batch-size", "12", model=adapter("SmallMemory"))
    refused_in_one_line(done, "out of memory at 6 images per batch; choose a smaller --batch-size")
