"""Ctrl-C and SIGTERM during a run: what is finished stays stored, and one line says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from mafs_bench.cli.progress import Quiet
from mafs_bench.errors import InterruptedRunError


class _Terminated(KeyboardInterrupt):
    """SIGTERM, on the way that Ctrl-C takes."""


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


@contextmanager
def stoppable(progress: Quiet) -> Iterator[None]:
    """Turn Ctrl-C (exit code 130) and SIGTERM (143) into ``InterruptedRunError``."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as stop:
        number = signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT
        raise InterruptedRunError(f"stopped; {progress.kept()}", 128 + number) from None
    finally:
        signal.signal(signal.SIGTERM, before)
