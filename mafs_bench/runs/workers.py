"""Worker processes that outlive a job, and whose death costs nothing but the time of their last task."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from types import MethodType
from typing import Any, TypeVar

from mafs_bench.errors import ResourceError

Task = TypeVar("Task")
Result = TypeVar("Result")
Make = Callable[[Any, Task], Result]

_DEATHS = 3
"""Deaths without one finished task in between before a run gives up."""

_AHEAD = 3
"""Tasks per worker that are made before they are asked for."""

_NICENESS = 10
"""A model that waits at a barrier for one of its threads costs more than a corruption that waits."""

_constant: Any = None
"""What ``make`` gets beside its task; set in a worker when it starts."""


def ordered(
    make: Make[Task, Result], tasks: Iterable[Task], constant: Any, workers: int, what: Callable[[Task], str]
) -> Iterator[Result]:
    """Yield ``make(constant, task)`` per task, in order, computed by ``workers`` processes (0: by this one).

    ``make`` is a function of a module and tasks are small. Several streams may be read in turns: each keeps the
    processes of its constant until it ends. The tasks of a worker that dies are run again. Raises what ``make``
    raises, and ``ResourceError`` calling the task ``what`` where workers keep on dying over it.
    """
    if workers == 0:
        yield from (make(constant, task) for task in tasks)
        return
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    source, deaths = iter(tasks), 0
    pool = _pool_for(constant, workers)
    pool.streams += 1
    try:
        while True:
            for task in source:
                waiting.append((task, pool.submit(make, task)))
                if len(waiting) > _AHEAD * workers:
                    break
            if not waiting:
                return
            try:
                result = waiting[0][1].result()
            except (BrokenProcessPool, CancelledError) as error:
                # Cancelled: the pool was closed under this stream, which is nobody's fault.
                deaths += isinstance(error, BrokenProcessPool)
                if deaths == _DEATHS:
                    raise ResourceError(
                        f"a worker process died {deaths} times over {what(waiting[0][0])} (killed, or out of "
                        "memory); take fewer --workers, or --workers 0 for none"
                    ) from error
                pool.close()
                pool.streams -= 1
                pool = _pool_for(constant, workers)
                pool.streams += 1
                again = [task for task, _ in waiting]
                waiting = deque((task, pool.submit(make, task)) for task in again)
                continue
            deaths = 0
            waiting.popleft()
            yield result
    finally:
        for _, future in waiting:
            future.cancel()
        pool.streams -= 1


def _call(make: Make[Task, Result], task: Task) -> Result:
    return make(_constant, task)


@dataclass(eq=False)
class _Pool:
    """The processes of one constant; ``streams`` counts the streams that read from them."""

    constant: Any
    workers: int
    processes: ProcessPoolExecutor
    streams: int = 0

    def submit(self, make: Make[Task, Result], task: Task) -> Future[Result]:
        """Queue a task. A pool that is broken or closed gives a future that says so."""
        try:
            return self.processes.submit(_call, make, task)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed
        except RuntimeError:
            if self in _kept:
                raise
            cancelled: Future[Result] = Future()
            cancelled.cancel()
            return cancelled

    def close(self) -> None:
        """End the processes; what they were about to make is dropped."""
        if self in _kept:
            _kept.remove(self)
        self.processes.shutdown(wait=False, cancel_futures=True)


_kept: list[_Pool] = []


def _pool_for(constant: Any, workers: int) -> _Pool:
    """The processes that serve this constant, else new ones; idle ones of another constant are ended.

    OpenCV's threads are ended here first: a forked child would wait for ever for threads it does not have.
    """
    import cv2

    cv2.setNumThreads(1)
    for pool in _kept:
        if pool.workers == workers and _same(pool.constant, constant):
            return pool
    for pool in [idle for idle in _kept if idle.streams == 0]:
        pool.close()
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    pool = _Pool(constant, workers, ProcessPoolExecutor(workers, context, _start, (constant,)))
    _kept.append(pool)
    return pool


def _same(one: Any, other: Any) -> bool:
    """Whether two constants are one. A method is a new object each time that it is read from its instance."""
    return one is other or (isinstance(one, MethodType) and isinstance(other, MethodType) and one == other)


@atexit.register
def close_workers() -> None:
    """Let the processes go; what they were about to make is dropped."""
    for pool in list(_kept):
        pool.close()


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
