"""Worker processes that outlive a job, and whose death costs nothing but the time of their last task."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import Any, TypeVar

from mafs_bench.errors import ResourceError

Task = TypeVar("Task")
Result = TypeVar("Result")
Make = Callable[[Any, Task], Result]

_DEATHS = 3
"""Deaths without one finished task in between before a run gives up."""

_AHEAD = 3
"""Tasks a worker that are made before they are asked for."""

_NICENESS = 10
"""A model that waits at a barrier for one of its threads costs more than a corruption that waits."""

_constant: Any = None
"""What ``make`` gets beside its task; set in a worker when it starts."""


def ordered(
    make: Make[Task, Result], tasks: Iterable[Task], constant: Any, workers: int, what: Callable[[Task], str]
) -> Iterator[Result]:
    """Yield ``make(constant, task)`` a task, in order, made by ``workers`` processes (0: by this one).

    ``make`` is a module's function and tasks are small. The tasks of a worker that dies are made again. Raises
    what ``make`` raises, and ``ResourceError`` calling the task ``what`` where workers keep on dying over it.
    """
    if workers == 0:
        yield from (make(constant, task) for task in tasks)
        return
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    source, deaths = iter(tasks), 0
    try:
        while True:
            for task in source:
                waiting.append((task, _submit(make, task, constant, workers)))
                if len(waiting) > _AHEAD * workers:
                    break
            if not waiting:
                return
            try:
                result = waiting[0][1].result()
            except BrokenProcessPool as error:
                deaths += 1
                if deaths == _DEATHS:
                    raise ResourceError(
                        f"a worker process died {deaths} times over {what(waiting[0][0])} (killed, or out of "
                        "memory); --workers 0 does without"
                    ) from error
                close_workers()
                again = [task for task, _ in waiting]
                waiting = deque((task, _submit(make, task, constant, workers)) for task in again)
                continue
            deaths = 0
            waiting.popleft()
            yield result
    finally:
        for _, future in waiting:
            future.cancel()


def _call(make: Make[Task, Result], task: Task) -> Result:
    return make(_constant, task)


def _submit(make: Make[Task, Result], task: Task, constant: Any, workers: int) -> Future[Result]:
    try:
        return _pool(constant, workers).submit(_call, make, task)
    except BrokenProcessPool as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        return failed


_kept: list[tuple[Any, int, ProcessPoolExecutor]] = []


def _pool(constant: Any, workers: int) -> ProcessPoolExecutor:
    """The processes of the last call where they fit, else new ones.

    OpenCV's threads are ended here first: a forked child would wait for ever for threads it does not have.
    """
    import cv2

    cv2.setNumThreads(1)
    if not _kept or _kept[0][0] is not constant or _kept[0][1] != workers:
        close_workers()
        context = get_context("fork" if sys.platform == "linux" else "spawn")
        pool = ProcessPoolExecutor(workers, context, _start, (constant,))
        _kept.append((constant, workers, pool))
    return _kept[0][2]


@atexit.register
def close_workers() -> None:
    """Let the processes go; what they were about to make is dropped."""
    while _kept:
        _kept.pop()[2].shutdown(wait=False, cancel_futures=True)


def _start(constant: Any) -> None:
    """Begin a worker: one thread, less urgent than the model, gone when the run is."""
    global _constant
    import cv2

    _constant = constant
    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the run is killed: nobody would read the tasks' results."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
