"""``mafs-bench train albef`` and ``mafs-bench train blip``: the same options, the same budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

SceneSteps = Annotated[int, typer.Option(min=1, help="steps of the image encoder")]
ClaimSteps = Annotated[int, typer.Option(min=1, help="steps of the text encoder")]
Steps = Annotated[int, typer.Option(min=1, help="steps of joint training")]
BatchSize = Annotated[int, typer.Option(min=8, help="scenes per step")]
Seed = Annotated[int, typer.Option(help="seed of weights and batches")]
Limit = Annotated[int, typer.Option(min=64, help="only the first N scenes of the split train")]
Out = Annotated[Path, typer.Option(help="folder for the weights")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``train``."""
    from mafs_bench.cli.train import train_app

    albef = _command("albef")
    blip = _command("blip")
    for name, title, command in (("albef", "ALBEF", albef), ("blip", "BLIP", blip)):
        says = f"Train a small {title} on scenes (40 min, resumable)."
        train_app.command(name, help=says)(command)


def _command(architecture: str) -> Callable[..., None]:
    """The command that trains one of the two."""

    def command(
        out: Out,
        scene_steps: SceneSteps = 240,
        claim_steps: ClaimSteps = 800,
        steps: Steps = 2000,
        batch_size: BatchSize = 32,
        seed: Seed = 0,
        limit: Limit = 6_000,
    ) -> None:
        from mafs_bench.api.training import train_baseline

        card = train_baseline(
            architecture,
            out,
            scene_steps=scene_steps,
            claim_steps=claim_steps,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            limit=limit,
            log=lambda line: typer.echo(line, err=True),
        )
        typer.echo(f"card  {card}")

    return command
