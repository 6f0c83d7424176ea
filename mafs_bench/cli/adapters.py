"""``mafs-bench check-adapter``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check-adapter")(check_adapter)


def check_adapter(
    spec: Annotated[str, typer.Argument(help="name, name:argument or path/to/file.py:ClassName")],
    dataset: Annotated[str, typer.Option(help="name, name:variant or a folder of yours")] = "scenes",
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set's official layout")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16")] = "fp32",
) -> None:
    """Exercise a model on a handful of samples: one line a check, exit code 1 when one fails."""
    from mafs_bench.adapters.check import check_adapter as checks
    from mafs_bench.adapters.load import resolve_settings
    from mafs_bench.datasets.resolve import resolve

    settings = resolve_settings(device, precision)
    failed = 0
    for check in checks(spec, settings, resolve(dataset, root=data_root, limit=8)):
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}")
        failed += not check.passed
    if failed:
        typer.echo(f"{spec}: {failed} checks failed", err=True)
        raise typer.Exit(1)
