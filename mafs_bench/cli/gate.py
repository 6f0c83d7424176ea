"""``mafs-bench baseline`` and ``check``: a gate for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("baseline")(baseline)
    app.command("check")(check)


def baseline(
    run: Annotated[Path, typer.Argument(help="results folder")],
    out: Annotated[Path, typer.Option(help="baseline file to write")],
) -> None:
    """Store a run as the baseline of later checks."""
    from mafs_bench import api

    written = api.write_baseline(run, out)
    typer.echo(f"{written}  {written.stat().st_size / 1e3:.0f} kB")


def check(
    baseline: Annotated[Path, typer.Option(help="file of mafs-bench baseline")],
    model: Annotated[str | None, typer.Option(help="run this model on the cells of the baseline")] = None,
    run: Annotated[Path | None, typer.Option(help="or check this results folder")] = None,
    margin: Annotated[float, typer.Option(help="points that may be lost (1.0: R@1 of 61.3 to 60.3)")] = 1.0,
    alpha: Annotated[float, typer.Option(help="error rate over all claims")] = 0.05,
    metric: Annotated[list[str] | None, typer.Option(help="repeatable [primary metric of each task]")] = None,
    junit: Annotated[Path | None, typer.Option(help="write JUnit XML")] = None,
    github: Annotated[bool, typer.Option("--github", help="write the step summary")] = False,
    out: Annotated[Path | None, typer.Option(help="results folder of --model")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="data set, if the baseline's is your own folder")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="images per forward pass")] = 64,
) -> None:
    """Check a model for a regression against a baseline.

    Exit code 0: pass, 1: regression, 2: inconclusive, 3: nothing checked.
    """
    from mafs_bench import api
    from mafs_bench.api.output import (
        gate_table,
        make_progress,
        print_tables,
        write_junit,
        write_step_summary,
    )

    with make_progress(quiet=run is not None) as progress:
        result = api.check(
            baseline,
            model=model,
            run=run,
            margin=margin,
            alpha=alpha,
            metric=metric or (),
            dataset=dataset,
            data_root=data_root,
            out=out,
            device=device,
            batch_size=batch_size,
            progress=progress,
        )
    print_tables([gate_table(result)])
    if junit is not None:
        write_junit(result, junit)
    if github:
        write_step_summary(result)
    raise typer.Exit(result.verdict)
