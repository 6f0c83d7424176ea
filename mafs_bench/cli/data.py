"""``mafs-bench data``: what is there of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this area."""
    data = typer.Typer(help="Look after data sets on disk.", no_args_is_help=True)
    data.command("check")(_check)
    app.add_typer(data, name="data")


def _check(
    name: Annotated[str, typer.Argument(help="coco, flickr30k, vqav2, or a folder of your own")],
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set's official layout")] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="decode every image, not only look for it")
    ] = False,
) -> None:
    """Count images and texts of every split and name what is missing."""
    from mafs_bench.datasets.check import check
    from mafs_bench.errors import DataError

    checks = check(name, data_root, decode_all=decode)
    for one in checks:
        typer.echo(one.describe())
    faulty = [one.split for one in checks if one.absent is None and not one.complete]
    if faulty:
        raise DataError(f"{name} is not complete: {', '.join(faulty)}")
