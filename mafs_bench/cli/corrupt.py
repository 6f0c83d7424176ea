"""``mafs-bench corrupt``: write the corrupted files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.limits import DEFAULT_SUITE, MAX_PIXELS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("corrupt")(corrupt)


def corrupt(
    corruption: Annotated[str, typer.Option(help="name, family, modality, a comma list, or all")],
    out: Annotated[Path, typer.Option(help="folder to write to; resumes an interrupted export")],
    severity: Annotated[str, typer.Option(help="3, 1-5 or 1,3,5")] = "1-5",
    dataset: Annotated[str, typer.Option(help="name, name:variant or your own folder")] = "scenes",
    split: Annotated[str | None, typer.Option(help="split [test]")] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    suite: Annotated[str, typer.Option(help="name@version or your own TOML file")] = DEFAULT_SUITE,
    limit: Annotated[int | None, typer.Option(help="only the first N samples")] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of all corruptions")] = 0,
    max_pixels: Annotated[int, typer.Option(help="refuse images with more pixels")] = MAX_PIXELS,
    language: Annotated[str, typer.Option(help="language of the texts, such as en or de [detected]")] = "",
    workers: Annotated[int | None, typer.Option(min=0, help="processes [all cores]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only errors")] = False,
) -> None:
    """Write a corrupted data set, lossless, with a manifest.

    The files are what a run would corrupt on the fly.
    """
    from mafs_bench.api.corrupting import export_corrupted

    files = export_corrupted(
        corruption,
        out,
        severity=severity,
        dataset=dataset,
        split=split,
        data_root=data_root,
        suite=suite,
        limit=limit,
        seed=seed,
        max_pixels=max_pixels,
        language=language,
        workers=workers,
        log=(lambda line: None) if quiet else typer.echo,
    )
    if not quiet:
        typer.echo(f"{out}: {files} files, listed with their hashes in manifest.json")
