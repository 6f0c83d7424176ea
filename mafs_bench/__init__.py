"""mafs-bench: a robustness benchmark suite for vision-language models.

>>> import mafs_bench as mb
>>> "fog" in mb.list_corruptions()
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mafs_bench.version import __version__

if TYPE_CHECKING:
    from mafs_bench import errors
    from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused
    from mafs_bench.api import (
        DomainGaps,
        Run,
        check,
        compare,
        corrupt_image,
        corrupt_text,
        domain_gap,
        list_corruptions,
        list_datasets,
        list_models,
        list_suites,
        list_tasks,
        load_run,
        load_suite,
        run,
        write_baseline,
    )
    from mafs_bench.corruptions.suite import Suite
    from mafs_bench.report.compare import ComparedRuns
    from mafs_bench.report.gate import GateResult
    from mafs_bench.types import Question, Sample

_PUBLIC = {
    "Adapter": "mafs_bench.adapters.base",
    "Answer": "mafs_bench.adapters.base",
    "ComparedRuns": "mafs_bench.report.compare",
    "DomainGaps": "mafs_bench.api",
    "Embeddings": "mafs_bench.adapters.base",
    "Fused": "mafs_bench.adapters.base",
    "GateResult": "mafs_bench.report.gate",
    "Question": "mafs_bench.types",
    "Run": "mafs_bench.api",
    "Sample": "mafs_bench.types",
    "Suite": "mafs_bench.corruptions.suite",
    "check": "mafs_bench.api",
    "compare": "mafs_bench.api",
    "corrupt_image": "mafs_bench.api",
    "corrupt_text": "mafs_bench.api",
    "domain_gap": "mafs_bench.api",
    "errors": "",
    "list_corruptions": "mafs_bench.api",
    "list_datasets": "mafs_bench.api",
    "list_models": "mafs_bench.api",
    "list_suites": "mafs_bench.api",
    "list_tasks": "mafs_bench.api",
    "load_run": "mafs_bench.api",
    "load_suite": "mafs_bench.api",
    "run": "mafs_bench.api",
    "write_baseline": "mafs_bench.api",
}
"""Each public name and its module: imported on first use, so that ``import mafs_bench`` is fast."""

__all__ = [
    "Adapter",
    "Answer",
    "ComparedRuns",
    "DomainGaps",
    "Embeddings",
    "Fused",
    "GateResult",
    "Question",
    "Run",
    "Sample",
    "Suite",
    "__version__",
    "check",
    "compare",
    "corrupt_image",
    "corrupt_text",
    "domain_gap",
    "errors",
    "list_corruptions",
    "list_datasets",
    "list_models",
    "list_suites",
    "list_tasks",
    "load_run",
    "load_suite",
    "run",
    "write_baseline",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mafs_bench' has no attribute {name!r}")
    module = _PUBLIC[name]
    found = importlib.import_module(module) if module else importlib.import_module(f"mafs_bench.{name}")
    value: object = vars(found)[name] if module else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
