"""``mafs-bench reproduce``: clean numbers of public checkpoints against the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce")(reproduce)


def reproduce(
    name: Annotated[str, typer.Argument(help="clip-clean, or a TOML file of yours")],
    data_root: Annotated[
        list[str] | None, typer.Option(help="repeatable; flickr30k=FOLDER, coco=FOLDER")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="repeatable; all of the set")] = None,
    tolerance: Annotated[float, typer.Option(help="points that may be off")] = 0.5,
    out: Annotated[Path, typer.Option(help="folder of the runs")] = Path("runs/reproduce"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="images a forward pass")] = 64,
) -> None:
    """Run public checkpoints on clean data and hold them against published numbers; ends 1 where one differs."""
    from mafs_bench.report import reproduce as published
    from mafs_bench.report.tables import print_tables
    from mafs_bench.runs.execute import Resources, default_workers
    from mafs_bench.runs.progress import make_progress

    resources = Resources(device, "fp32", batch_size, default_workers())
    roots = published.parse_roots(data_root or [])
    with make_progress(quiet=False) as progress:
        made = published.reproduce(name, roots, model or (), tolerance, out, resources, progress)
    print_tables([published.reproduction_table(made, tolerance)])
    if not all(row.meets for row in made):
        raise typer.Exit(1)
