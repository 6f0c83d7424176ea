"""Ctrl-C and SIGTERM during a run: finished cells stay stored, and one line says so."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mafs_bench.errors import InterruptedRunError


@contextmanager
def stoppable(kept: Callable[[], str]) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into ``InterruptedRunError``; ``kept`` says what is stored."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"stopped; {kept()}") from None
    finally:
        signal.signal(signal.SIGTERM, before)
