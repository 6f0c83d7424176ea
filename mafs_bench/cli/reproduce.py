"""``mafs-bench reproduce``: clean numbers of public checkpoints against the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce")(reproduce)


def reproduce(
    name: Annotated[str, typer.Argument(help="clip-clean, or your own TOML file")],
    data_root: Annotated[
        list[str] | None, typer.Option(help="repeatable; flickr30k=FOLDER, coco=FOLDER")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="repeatable [all of the set]")] = None,
    tolerance: Annotated[float, typer.Option(help="tolerance in points")] = 0.5,
    out: Annotated[Path, typer.Option(help="folder of the runs")] = Path("runs/reproduce"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="images per forward pass")] = 64,
) -> None:
    """Compare public checkpoints with published numbers.

    Runs on clean data. Exit code 1 if a number differs.
    """
    from mafs_bench.api import reproducing
    from mafs_bench.api.output import make_progress, print_tables

    with make_progress(quiet=False) as progress:
        rows = reproducing.reproduce_published(
            name,
            data_roots=data_root or (),
            models=model or (),
            tolerance=tolerance,
            out=out,
            device=device,
            batch_size=batch_size,
            progress=progress,
        )
    print_tables([reproducing.reproduction_table(rows, tolerance)])
    if not all(row.meets for row in rows):
        raise typer.Exit(1)
