"""``mafs-bench baseline`` and ``check``: a gate for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mafs_bench.report.baseline import Baseline
    from mafs_bench.runs.store import StoredRun


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("baseline")(baseline)
    app.command("check")(check)


def baseline(
    run: Annotated[Path, typer.Argument(help="results folder")],
    out: Annotated[Path, typer.Option(help="the file that later checks read")],
) -> None:
    """Store a run as the baseline of later checks."""
    from mafs_bench.report.baseline import write_baseline
    from mafs_bench.runs.store import read_run

    write_baseline(read_run(run), out)
    typer.echo(f"{out}  {out.stat().st_size / 1e3:.0f} kB")


def check(
    baseline: Annotated[Path, typer.Option(help="file of mafs-bench baseline")],
    model: Annotated[str | None, typer.Option(help="run this model on the baseline's cells")] = None,
    run: Annotated[Path | None, typer.Option(help="or read this results folder")] = None,
    margin: Annotated[float, typer.Option(help="points that may be lost (1.0: R@1 of 61.3 to 60.3)")] = 1.0,
    alpha: Annotated[float, typer.Option(help="error rate over all claims")] = 0.05,
    metric: Annotated[list[str] | None, typer.Option(help="repeatable; each task's primary one")] = None,
    junit: Annotated[Path | None, typer.Option(help="write JUnit XML")] = None,
    github: Annotated[bool, typer.Option("--github", help="write the step summary")] = False,
    out: Annotated[Path | None, typer.Option(help="results folder of --model")] = None,
    dataset: Annotated[str | None, typer.Option(help="where the baseline's is a folder of yours")] = None,
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set's official layout")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="images a forward pass")] = 64,
) -> None:
    """Has a model lost more than the margin? Ends 0: pass, 1: regression, 2: inconclusive."""
    from mafs_bench.report.baseline import read_baseline
    from mafs_bench.report.gate import check_run, require_settings
    from mafs_bench.report.gate_output import gate_table, write_junit, write_step_summary
    from mafs_bench.report.tables import print_tables

    stored = read_baseline(baseline)
    require_settings(stored, margin, alpha, metric or ())
    candidate = _candidate(stored, model, run, out, dataset, data_root, device, batch_size)
    result = check_run(candidate, stored, margin, alpha, metric or ())
    print_tables([gate_table(result)])
    if junit is not None:
        write_junit(result, junit)
    if github:
        write_step_summary(result)
    raise typer.Exit(result.verdict)


def _candidate(
    stored: Baseline,
    model: str | None,
    run: Path | None,
    out: Path | None,
    dataset: str | None,
    data_root: Path | None,
    device: str,
    batch_size: int,
) -> StoredRun:
    from mafs_bench.errors import UsageError
    from mafs_bench.runs.store import read_run

    if (model is None) == (run is None):
        raise UsageError("check needs --model SPEC or --run FOLDER, one of the two")
    if run is not None:
        return read_run(run)

    from mafs_bench.cli.progress import make_progress
    from mafs_bench.report.rerun import rerun
    from mafs_bench.runs.execute import Resources, default_workers

    resources = Resources(device, stored.spec.precision, batch_size, default_workers())
    with make_progress(quiet=False) as progress:
        return rerun(stored, str(model), out, resources, progress, dataset, data_root)
