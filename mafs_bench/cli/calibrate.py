"""``mafs-bench calibrate``: a trained scheduler for another backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)


def calibrate(
    backbone: Annotated[str, typer.Option(help="spec of the frozen dual encoder, or file.py:Class")],
    dataset: Annotated[str, typer.Option(help="name, name:variant or your own folder")],
    split: Annotated[str, typer.Option(help="split of unlabelled pairs; not a test split")] = "val",
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    pairs: Annotated[int | None, typer.Option(min=1, help="only the first N images with their texts")] = None,
    scheduler: Annotated[Path | None, typer.Option(help="weights with the scheduler [bundled]")] = None,
    fusion: Annotated[str, typer.Option(help="which bundled scheduler: mafs or mafs@2")] = "mafs",
    seed: Annotated[int, typer.Option(help="of prototypes and banks")] = 0,
    out: Annotated[Path | None, typer.Option(help="folder for the weights [~/.mafs-bench/fusion]")] = None,
) -> None:
    """Transfer a trained scheduler to another backbone.

    Closed-form fits, no gradients; afterwards mafs-clip:SPEC works.
    """
    from mafs_bench.api import training

    trained = training.calibrate(
        backbone=backbone,
        dataset=dataset,
        split=split,
        data_root=data_root,
        pairs=pairs,
        scheduler=scheduler,
        fusion=fusion,
        seed=seed,
        out=out,
        log=lambda line: typer.echo(line, err=True),
    )
    typer.echo(f"weights  {trained.weights}\ncard     {trained.card}")
