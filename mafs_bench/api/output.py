"""How results are shown: tables on a terminal and in files, and the progress of a run."""

from mafs_bench.report.gate_output import gate_table, write_junit, write_step_summary
from mafs_bench.report.tables import check_suffixes, print_tables, write_tables
from mafs_bench.runs.progress import make_progress

__all__ = [
    "check_suffixes",
    "gate_table",
    "make_progress",
    "print_tables",
    "write_junit",
    "write_step_summary",
    "write_tables",
]
