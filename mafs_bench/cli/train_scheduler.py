"""``mafs-bench train scheduler``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``train``."""
    from mafs_bench.cli.train import train_app

    train_app.command("scheduler")(scheduler)


def scheduler(
    backbone: Annotated[str, typer.Option(help="spec of the frozen dual encoder")] = "clip",
    fusion: Annotated[str, typer.Option(help="mafs, mafs@2 or a baseline: mean, static, concat …")] = "mafs",
    dataset: Annotated[str, typer.Option(help="name, name:variant or your own folder")] = "scenes",
    split: Annotated[str, typer.Option(help="split to train on, other than the backbone's own")] = "val",
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    task: Annotated[str, typer.Option(help="all, fused-retrieval, retrieval, vqa or captioning")] = "all",
    limit: Annotated[int | None, typer.Option(help="only the first N images")] = None,
    seed: Annotated[int, typer.Option(help="seed of weights, batches and corruptions")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 600,
    out: Annotated[Path | None, typer.Option(help="folder for the weights [~/.mafs-bench/fusion]")] = None,
) -> None:
    """Train a fusion on a frozen backbone (minutes)."""
    from mafs_bench.api.training import train_scheduler

    for trained in train_scheduler(
        backbone=backbone,
        fusion=fusion,
        dataset=dataset,
        split=split,
        data_root=data_root,
        task=task,
        limit=limit,
        seed=seed,
        steps=steps,
        out=out,
        log=lambda line: typer.echo(line, err=True),
    ):
        typer.echo(f"weights  {trained.weights}\ncard     {trained.card}")
