"""``mafs-bench`` in a process of its own that has imported everything already: a start costs a fork."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "torch",
        "scipy.stats",
        "matplotlib.figure",
        "pyarrow.parquet",
        "mafs_bench.cli",
        "mafs_bench.runs.execute",
        "mafs_bench.report.summary",
    ]
)


@dataclass
class Forked:
    """A command that was started; a session of its own, as a terminal gives it."""

    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def stderr(self) -> str:
        return self.log.read_text()

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float = 120) -> Forked:
        """Until it ends. Raises ``TimeoutError`` where it does not."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(self.stderr)
        return self

    def kill(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal, to its process group where asked for."""
        (os.killpg if group else os.kill)(self.pid, number)


def start(
    arguments: list[str],
    folder: Path,
    *,
    environment: dict[str, str] | None = None,
    file_limit: int | None = None,
    before: str = "",
) -> Forked:
    """Start the command in ``folder``. ``before`` is Python to run first; ``file_limit`` in bytes."""
    log = folder / f"{time.monotonic_ns()}.log"
    values = (arguments, str(folder), str(log), environment or {}, file_limit, before)
    process = _CONTEXT.Process(target=_call, args=values)
    process.start()
    return Forked(process, log)


def _call(
    arguments: list[str],
    folder: str,
    log: str,
    environment: dict[str, str],
    file_limit: int | None,
    before: str,
) -> None:
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control ignores it
        os.chdir(folder)
        os.environ.update(environment)
        file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if file_limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        exec(before, {})
        sys.argv = ["mafs-bench", *arguments]
        from mafs_bench.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)
