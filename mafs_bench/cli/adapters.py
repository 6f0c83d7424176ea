"""``mafs-bench check-adapter`` and ``mafs-bench init-adapter``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("check-adapter")(check_adapter)
    app.command("init-adapter")(init_adapter)


def init_adapter(
    file: Annotated[Path, typer.Argument(help="Python file to write, such as my_model.py")],
) -> None:
    """Write a commented, runnable template of a model."""
    from mafs_bench.api.checks import write_template

    write_template(file)
    typer.echo(f"{file}: written; try it with: mafs-bench check-adapter {file}:MyModel")


def check_adapter(
    spec: Annotated[str, typer.Argument(help="name, name:argument or path/to/file.py:ClassName")],
    dataset: Annotated[str, typer.Option(help="name, name:variant or your own folder")] = "scenes",
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16")] = "fp32",
) -> None:
    """Test a model on a few samples: one line per check.

    Exit code 1 if a check fails.
    """
    from mafs_bench.api import checks

    failed = 0
    found = checks.check_adapter(
        spec, dataset=dataset, data_root=data_root, device=device, precision=precision
    )
    for check in found:
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}")
        failed += not check.passed
    if failed:
        typer.echo(f"{spec}: {failed} checks failed", err=True)
        raise typer.Exit(1)
