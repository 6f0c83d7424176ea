"""``mafs-bench corrupt``: have the corrupted files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.limits import MAX_PIXELS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("corrupt")(corrupt)


def corrupt(
    corruption: Annotated[str, typer.Option(help="name, family, modality, a comma list, or all")],
    out: Annotated[Path, typer.Option(help="folder to write to; an export begun there goes on")],
    severity: Annotated[str, typer.Option(help="3, 1-5 or 1,3,5")] = "1-5",
    dataset: Annotated[str, typer.Option(help="name, name:variant or a folder of yours")] = "scenes",
    split: Annotated[str | None, typer.Option(help="test unless told otherwise")] = None,
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set's official layout")] = None,
    suite: Annotated[str, typer.Option(help="name@version or a TOML file of yours")] = "core@1",
    limit: Annotated[int | None, typer.Option(help="only the first N samples")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of all corruptions")] = 0,
    max_pixels: Annotated[int, typer.Option(help="refuse images of more pixels")] = MAX_PIXELS,
    workers: Annotated[int | None, typer.Option(min=0, help="processes [all cores]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print nothing but errors")] = False,
) -> None:
    """Write the corrupted data set losslessly, as a run would make it on the fly, with a manifest."""
    from mafs_bench.corruptions import suite as suites
    from mafs_bench.datasets.resolve import resolve
    from mafs_bench.runs.boxes import with_boxes
    from mafs_bench.runs.execute import core_count
    from mafs_bench.runs.export import Export, export
    from mafs_bench.runs.frame import in_frame
    from mafs_bench.runs.plan import parse_severities
    from mafs_bench.runs.sizes import refuse_large_images

    severities = parse_severities(severity)
    chosen = suites.load(suite)
    corruptions = chosen.select(corruption)
    data = resolve(dataset, split, data_root, limit, max_pixels=max_pixels)
    data = in_frame(with_boxes(data, corruptions), chosen.frame)
    refuse_large_images(data, corruptions)
    job = Export(
        data,
        chosen,
        corruptions,
        severities,
        seed,
        out,
        core_count() if workers is None else workers,
        (lambda line: None) if quiet else typer.echo,
    )
    files = export(job)
    if not quiet:
        typer.echo(f"{out}: {len(files)} files, listed with their hashes in manifest.json")
