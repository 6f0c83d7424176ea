"""Compare stored runs: with each other, with a baseline, and across domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.api.running import Run, execute_request, object_name, stored_of, wrapped
from mafs_bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from mafs_bench.report.compare import ComparedRuns
    from mafs_bench.report.domain import DomainGap
    from mafs_bench.report.gate import GateResult
    from mafs_bench.report.tables import Table
    from mafs_bench.runs.progress import Quiet
    from mafs_bench.runs.store import StoredRun


def compare(
    *runs: Run | str | Path,
    metric: str | None = None,
    task: str | Sequence[str] = (),
    resamples: int = 2000,
) -> ComparedRuns:
    """Compare runs with the first one: paired differences over shared samples, with corrected tests.

    metric: a name; None: the primary metric of each task. Raises ``UsageError`` if the runs cannot be compared
    (different data, suite or gallery size).
    """
    from mafs_bench.report.compare import compare_runs

    tasks = (task,) if isinstance(task, str) else tuple(task)
    return compare_runs([stored_of(run) for run in runs], metric, resamples, tasks=tasks)


def comparison_tables(
    *runs: Run | str | Path,
    metric: str | None = None,
    task: str | Sequence[str] = (),
    resamples: int = 2000,
    out: Sequence[Path] = (),
) -> Sequence[Table]:
    """The tables of ``mafs-bench compare``: robustness measures, then paired tests; also written to ``out``.

    out: files that end in .md, .csv or .tex. The other arguments and what is raised are those of ``compare``.
    """
    from mafs_bench.report.compare import names_of
    from mafs_bench.report.comparison_tables import comparison_tables as tables_of
    from mafs_bench.report.comparison_tables import write_comparison
    from mafs_bench.report.measures import measure_runs, measure_tables
    from mafs_bench.report.tables import check_suffixes

    check_suffixes(out)
    compared = compare(*runs, metric=metric, task=task, resamples=resamples)
    measures = measure_tables(measure_runs(compared.runs, names_of(compared.runs), metric, resamples))
    write_comparison(compared, measures, out)
    return [*measures, *tables_of(compared)]


def write_baseline(run: Run | str | Path, out: str | Path) -> Path:
    """Store a run as the baseline of later checks; returns the file."""
    from mafs_bench.report.baseline import write_baseline as write

    write(stored_of(run), Path(out))
    return Path(out)


def check(
    baseline: str | Path,
    *,
    model: str | object | None = None,
    run: Run | str | Path | None = None,
    margin: float = 1.0,
    alpha: float = 0.05,
    metric: str | Sequence[str] = (),
    dataset: str | Path | None = None,
    data_root: str | Path | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    batch_size: int = 64,
    progress: bool | Quiet = True,
) -> GateResult:
    """Check whether a model has lost more than ``margin`` points compared with a baseline.

    baseline: a file from ``write_baseline``. model: a model to run on the baseline's cells; or run: a finished run.
    Returns a result whose ``verdict`` is 0 (pass), 1 (regression) or 2 (inconclusive). Raises ``MafsBenchError``.
    """
    from mafs_bench.api.rerunning import request_of
    from mafs_bench.report.baseline import read_baseline
    from mafs_bench.report.gate import check_run, require_settings
    from mafs_bench.runs.execute import Resources, default_workers

    metrics = (metric,) if isinstance(metric, str) else tuple(metric)
    stored = read_baseline(Path(baseline))
    require_settings(stored, margin, alpha, metrics)
    if (model is None) == (run is None):
        raise UsageError("check needs either --model SPEC or --run FOLDER")
    if run is not None:
        return check_run(stored_of(run), stored, margin, alpha, metrics)
    request = request_of(
        stored,
        model if isinstance(model, str) else object_name(model),
        None if dataset is None else str(dataset),
        None if data_root is None else Path(data_root),
    )
    resources = Resources(device, stored.spec.precision, batch_size, default_workers())
    adapter = None if isinstance(model, str) else wrapped(model, "local")
    finished = execute_request(request, resources, out, progress, adapter, any_model=True)
    return check_run(finished.stored, stored, margin, alpha, metrics)


@dataclass(frozen=True)
class DomainGaps:
    """The difference between two domains per condition."""

    source: StoredRun
    target: StoredRun
    rows: Sequence[DomainGap]

    def tables(self) -> list[Table]:
        """One table per task, as the command prints them."""
        from mafs_bench.report.domain import gap_tables

        return gap_tables(self.rows, self.source, self.target)

    def table(self) -> pd.DataFrame:
        """One row per task and condition: scores, gap, drops and difference in differences, with intervals."""
        import pandas as pd

        parts = [table.to_frame().assign(task=table.title.partition(",")[0]) for table in self.tables()]
        return pd.concat(parts, ignore_index=True)


def domain_gap(
    source: Run | str | Path, target: Run | str | Path, *, metric: str | None = None, resamples: int = 2000
) -> DomainGaps:
    """The score lost between two domains, and whether corruption costs more outside the source domain.

    Both runs must use the same model and suite on different data; otherwise raises ``UsageError``.
    """
    from mafs_bench.report.domain import domain_gaps

    first, second = stored_of(source), stored_of(target)
    return DomainGaps(first, second, domain_gaps(first, second, metric, resamples))


def paper_table(file: Path | None = None) -> Table:
    """Recompute a paper's printed numbers from its printed cells, and list where they disagree.

    file: TOML of printed numbers; None: those of arXiv 2212.08044. Raises ``UsageError``.
    """
    from mafs_bench.report.paper import load_published
    from mafs_bench.report.paper import paper_table as table_of

    return table_of(load_published(file))


def write_report(
    runs: Sequence[Run | str | Path],
    out: Path,
    *,
    data_root: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Sequence[Path]:
    """Write one page about several runs, with figures and tables; returns all files, the page first.

    data_root: the folder of the data set, for examples. log: called with a warning if a run's results were edited.
    Raises ``MafsBenchError``.
    """
    from mafs_bench.report.page import write_report as write

    return write([stored_of(run).path for run in runs], out, data_root, note=log)
