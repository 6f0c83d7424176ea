"""``mafs-bench study``: train, score and report fusions with one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

study_app = typer.Typer(help="Train, run and report a study.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(study_app, name="study")


@study_app.command("fusion")
def fusion(
    out: Annotated[Path, typer.Option(help="output folder; an interrupted study is resumed")],
    backbone: Annotated[str, typer.Option(help="spec of the frozen dual encoder")] = "clip",
    dataset: Annotated[str, typer.Option(help="name, name:variant or your own folder")] = "scenes",
    train: Annotated[str, typer.Option(help="training split")] = "val",
    test: Annotated[str, typer.Option(help="test split, or a part: test[500:800]")] = "test",
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="seeds per fusion")] = 3,
    severity: Annotated[str, typer.Option(help="3, 1-5 or 1,3,5")] = "1,3,5",
    limit: Annotated[int | None, typer.Option(help="only the first N test images")] = None,
    train_limit: Annotated[int | None, typer.Option(help="only the first N training images")] = None,
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps per fusion")] = 600,
) -> None:
    """Compare MA-AFS with other fusions and ablations."""
    from mafs_bench.api.training import study_fusion

    page = study_fusion(
        out,
        backbone=backbone,
        dataset=dataset,
        train=train,
        test=test,
        data_root=data_root,
        seeds=seeds,
        severity=severity,
        limit=limit,
        train_limit=train_limit,
        steps=steps,
        log=lambda line: typer.echo(line, err=True),
    )
    typer.echo(page.read_text(encoding="utf-8"))
