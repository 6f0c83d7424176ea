"""Ctrl-C and SIGTERM during a run: what is finished stays stored, and one line says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mafs_bench.errors import InterruptedRunError
from mafs_bench.runs.progress import Quiet


@contextmanager
def stoppable(progress: Quiet) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into ``InterruptedRunError``."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"stopped; {progress.kept()}") from None
    finally:
        signal.signal(signal.SIGTERM, before)
