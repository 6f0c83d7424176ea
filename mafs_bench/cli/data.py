"""``mafs-bench data``: check data sets on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this area."""
    data = typer.Typer(help="Check data sets on disk.", no_args_is_help=True)
    data.command("check")(_check)
    app.add_typer(data, name="data")


def _check(
    name: Annotated[str, typer.Argument(help="coco, flickr30k, vqav2, or your own folder")],
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    decode: Annotated[bool, typer.Option("--decode", help="also decode every image")] = False,
) -> None:
    """Count images and texts per split; list missing files."""
    from mafs_bench.api.checks import check_dataset
    from mafs_bench.errors import DataError

    splits = check_dataset(name, data_root, decode=decode)
    for split in splits:
        typer.echo(split.describe())
    faulty = [split.split for split in splits if split.absent is None and not split.complete]
    if faulty:
        raise DataError(f"{name} is not complete: {', '.join(faulty)}")
