"""Metrics: pure functions of per-sample scores, each with its range, direction and source."""

from mafs_bench.errors import UnknownNameError
from mafs_bench.registry import load_attribute
from mafs_bench.types import Metric

METRICS = {
    "retrieval": "mafs_bench.metrics.retrieval:RETRIEVAL_METRICS",
    "fused-retrieval": "mafs_bench.metrics.retrieval:FUSED_METRICS",
    "matching": "mafs_bench.metrics.matching:MATCHING_METRICS",
    "vqa": "mafs_bench.metrics.vqa:VQA_METRICS",
    "captioning": "mafs_bench.metrics.captioning:CAPTIONING_METRICS",
    "context-captioning": "mafs_bench.metrics.captioning:CONTEXT_METRICS",
}


def metrics_of(task: str) -> tuple[Metric, ...]:
    """The metrics of a task, imported on demand. Raises ``UnknownNameError``."""
    if task not in METRICS:
        raise UnknownNameError("task", task, METRICS)
    metrics: tuple[Metric, ...] = load_attribute(METRICS[task])
    return metrics
