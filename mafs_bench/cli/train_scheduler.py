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
    dataset: Annotated[str, typer.Option(help="name, name:variant or a folder of yours")] = "scenes",
    split: Annotated[
        str, typer.Option(help="split to train on; not one that the backbone was trained on")
    ] = "val",
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set's official layout")] = None,
    task: Annotated[
        str, typer.Option(help="all, or one: fused-retrieval, retrieval, vqa, captioning (a file of its own)")
    ] = "all",
    limit: Annotated[int | None, typer.Option(help="only the first N images")] = None,
    seed: Annotated[int, typer.Option(help="of weights, batches and corruptions")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 600,
    out: Annotated[Path | None, typer.Option(help="folder for the weights [~/.mafs-bench/fusion]")] = None,
) -> None:
    """Train fusion weights on a frozen backbone; minutes on two cores."""
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
