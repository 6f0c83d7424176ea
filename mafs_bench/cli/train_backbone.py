"""``mafs-bench train backbone``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``train``."""
    from mafs_bench.cli.train import train_app

    train_app.command("backbone")(backbone)


def backbone(
    out: Annotated[Path, typer.Option(help="folder for the model, in open_clip's format")],
    seed: Annotated[int, typer.Option(help="seed of weights, batches and augmentation")] = 0,
    image_steps: Annotated[int, typer.Option(min=1, help="steps of the image tower")] = 900,
    text_steps: Annotated[int, typer.Option(min=1, help="steps of the text tower")] = 1200,
    align_steps: Annotated[
        str, typer.Option(help="steps of both towers, one schedule per number")
    ] = "700,1000",
    limit: Annotated[int | None, typer.Option(help="only the first N training scenes")] = None,
    cache: Annotated[Path | None, typer.Option(help="folder for 2 GB of rendered scenes [OUT/cache]")] = None,
) -> None:
    """Train the bundled CLIP on scenes (1 h on 2 cores)."""
    from mafs_bench.api.training import train_backbone

    model = train_backbone(
        out,
        seed=seed,
        image_steps=image_steps,
        text_steps=text_steps,
        align_steps=align_steps,
        limit=limit,
        cache=cache,
        log=lambda line: typer.echo(line, err=True),
    )
    typer.echo(f"model  {model}")
