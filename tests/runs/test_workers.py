"""Worker processes start whatever the parent did before, and serve several streams at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from mafs_bench.errors import ResourceError
from mafs_bench.runs import workers
from mafs_bench.runs.workers import close_workers, ordered

PROGRAM = """
import cv2
import numpy as np
from mafs_bench.runs.workers import ordered

picture = np.random.default_rng(0).random((1500, 1500), dtype=np.float32)
cv2.setNumThreads(2)
for _ in range(3):
    cv2.GaussianBlur(picture, (31, 31), 5)  # OpenCV's own threads are running now

def make(constant, task):
    return constant + task

print(list(ordered(make, range(6), 10, 2, str)))
"""


def test_workers_start_after_opencv_used_threads() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[10, 11, 12, 13, 14, 15]"


class Scale:
    """What an adapter is to the pool: an object whose method goes to the workers."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def apply(self, number: int) -> int:
        return number * self.factor


def scaled(apply: Callable[[int], int] | None, number: int) -> int:
    time.sleep(0.01)  # so that tasks are waiting when another stream begins
    return number if apply is None else apply(number)


def stream(constant: Callable[[int], int] | None, n: int) -> Generator[int, None, None]:
    made = ordered(scaled, range(n), constant, 2, str)
    assert isinstance(made, Generator)
    return made


@pytest.fixture(autouse=True)
def _no_workers_left() -> Iterator[None]:
    yield
    close_workers()


def test_streams_of_other_constants_are_read_in_turns() -> None:
    """An answerer reads raw images while the next corruption is preprocessed for the dual encoder."""
    double, triple = Scale(2), Scale(3)
    streams = [stream(double.apply, 30), stream(None, 30), stream(triple.apply, 30), stream(double.apply, 30)]
    turns = list(zip(*streams, strict=True))
    assert turns == [(2 * i, i, 3 * i, 2 * i) for i in range(30)]


def test_a_new_stream_leaves_an_open_one_alone() -> None:
    double = Scale(2)
    first = stream(double.apply, 40)
    assert [next(first) for _ in range(3)] == [0, 2, 4]
    # A pool that is collected at once forgets to cancel what waits.
    held = list(workers._kept)
    assert list(stream(None, 10)) == list(range(10))
    assert list(stream(Scale(5).apply, 4)) == [0, 5, 10, 15]
    assert list(first) == [2 * i for i in range(3, 40)]
    assert held


def test_a_stream_goes_on_when_its_processes_were_closed() -> None:
    first = stream(None, 20)
    assert next(first) == 0
    close_workers()
    assert list(first) == list(range(1, 20))


def test_one_method_has_one_pool_and_idle_pools_are_ended() -> None:
    double = Scale(2)
    assert double.apply is not double.apply
    for _ in range(3):
        assert list(stream(double.apply, 3)) == [0, 2, 4]
    assert len(workers._kept) == 1
    open_one = stream(double.apply, 9)
    next(open_one)
    assert list(stream(None, 3)) == [0, 1, 2]
    assert len(workers._kept) == 2
    open_one.close()
    assert list(stream(Scale(3).apply, 3)) == [0, 3, 6]
    assert len(workers._kept) == 1


def deadly(parent: int, number: int) -> int:
    if number == 7 and os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_the_death_of_a_worker_ends_its_own_stream_alone() -> None:
    parent = os.getpid()
    other = stream(None, 30)
    assert next(other) == 0
    dying = ordered(deadly, range(10), parent, 1, lambda number: f"number {number}")
    with pytest.raises(ResourceError, match="died 3 times over number 7"):
        list(dying)
    assert list(other) == list(range(1, 30))
