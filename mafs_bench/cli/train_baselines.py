"""``mafs-bench train albef`` and ``mafs-bench train blip``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SceneSteps = Annotated[int, typer.Option(min=1, help="steps of the image encoder alone")]
ClaimSteps = Annotated[int, typer.Option(min=1, help="steps of the text encoder alone")]
Steps = Annotated[int, typer.Option(min=1, help="steps of everything at once")]
BatchSize = Annotated[int, typer.Option(min=8, help="scenes a step")]
Seed = Annotated[int, typer.Option(help="of weights and batches")]
Limit = Annotated[int, typer.Option(min=64, help="only the first N scenes of the split train")]
Out = Annotated[Path | None, typer.Option(help="folder for the weights [the bundled ones]")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``train``."""
    from mafs_bench.cli.train import train_app

    train_app.command("albef")(albef)
    train_app.command("blip")(blip)


def albef(
    scene_steps: SceneSteps = 240,
    claim_steps: ClaimSteps = 100,
    steps: Steps = 2000,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    limit: Limit = 6_000,
    out: Out = None,
) -> None:
    """Train a small ALBEF on scenes; about half an hour on a free core. Started again, it goes on."""
    from mafs_bench.adapters.albef.adapter import BUNDLED
    from mafs_bench.training.albef import train_albef
    from mafs_bench.training.baseline_loop import Budget

    budget = Budget(
        scene_steps, steps=steps, claim_steps=claim_steps, batch_size=batch_size, seed=seed, limit=limit
    )
    typer.echo(f"card  {train_albef(out or BUNDLED, budget, lambda line: typer.echo(line, err=True))}")


def blip(
    scene_steps: SceneSteps = 240,
    claim_steps: ClaimSteps = 100,
    steps: Steps = 2000,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    limit: Limit = 6_000,
    out: Out = None,
) -> None:
    """Train a small BLIP on scenes; about half an hour on a free core. Started again, it goes on."""
    from mafs_bench.adapters.blip.sources import BUNDLED
    from mafs_bench.training.baseline_loop import Budget
    from mafs_bench.training.blip import train_blip

    budget = Budget(
        scene_steps, steps=steps, claim_steps=claim_steps, batch_size=batch_size, seed=seed, limit=limit
    )
    typer.echo(f"card  {train_blip(out or BUNDLED, budget, lambda line: typer.echo(line, err=True))}")
