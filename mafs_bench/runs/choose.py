"""Where a run's cells are made."""

from __future__ import annotations

from functools import partial

from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.runs.execute import RemoteExecutor

EXECUTORS = ("local", "ray")


def choose_executor(name: str, ray_address: str | None, gpus_per_worker: float) -> RemoteExecutor | None:
    """Find an executor by name; None runs here. Raises ``UnknownNameError`` or ``UsageError``."""
    if name not in EXECUTORS:
        raise UnknownNameError("executor", name, EXECUTORS)
    if name == "local":
        if ray_address is not None or gpus_per_worker:
            raise UsageError("--ray-address and --gpus-per-worker go with --executor ray")
        return None
    from mafs_bench.runs.ray_executor import Cluster, run_on_cluster

    return partial(run_on_cluster, Cluster(ray_address, gpus_per_worker))
