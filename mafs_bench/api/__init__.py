"""The Python interface. The command line calls nothing else.

>>> import mafs_bench as mb
>>> mb.corrupt_text("two dogs run", "keyboard", severity=5) == "two dogs run"
False
"""

from mafs_bench.api.comparing import DomainGaps, check, compare, domain_gap, write_baseline
from mafs_bench.api.corrupting import corrupt_image, corrupt_text, load_suite
from mafs_bench.api.listing import list_corruptions, list_datasets, list_models, list_suites, list_tasks
from mafs_bench.api.running import Run, Samples, load_run, run
from mafs_bench.limits import DEFAULT_SUITE

__all__ = [
    "DEFAULT_SUITE",
    "DomainGaps",
    "Run",
    "Samples",
    "check",
    "compare",
    "corrupt_image",
    "corrupt_text",
    "domain_gap",
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
