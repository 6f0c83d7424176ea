"""A Ray cluster of two processes on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def two_processes() -> Iterator[Any]:
    """Give ``ray``, connected; skips where the extra is not installed."""
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    root = str(Path(__file__).parents[2])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=80 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": root}},
    )
    try:
        yield ray
    finally:
        ray.shutdown()
