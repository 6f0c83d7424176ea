"""Tasks by name: what is asked of a model, and how one sample is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mafs_bench.registry import Registry

if TYPE_CHECKING:
    from mafs_bench.tasks.base import Task

TASKS = Registry(
    kind="task",
    entries={
        "retrieval": "mafs_bench.tasks.retrieval:TASK",
        "fused-retrieval": "mafs_bench.tasks.fused_retrieval:TASK",
        "matching": "mafs_bench.tasks.matching:TASK",
        "vqa": "mafs_bench.tasks.vqa:TASK",
        "captioning": "mafs_bench.tasks.captioning:TASK",
        "context-captioning": "mafs_bench.tasks.captioning:CONTEXT_TASK",
        "multiple-choice": "mafs_bench.tasks.choice:TASK",
        "multiple-choice-circular": "mafs_bench.tasks.choice:CIRCULAR_TASK",
    },
)


def get_task(name: str) -> Task:
    """Import and return a task. Raises ``UnknownNameError``."""
    task: Task = TASKS.get(name)
    return task
