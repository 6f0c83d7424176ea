"""``mafs-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="results folders; with two data sets, the first is the source")
    ],
    out: Annotated[Path, typer.Option(help="folder for report.html, figures/ and tables/")],
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set, to show examples")] = None,
) -> None:
    """Write an HTML page, figures and tables of runs.

    Figures are PNG, SVG and PDF, tables are Markdown, CSV and LaTeX.
    """
    from mafs_bench.api.comparing import write_report

    page, *others = write_report(
        runs, out, data_root=data_root, log=lambda line: typer.echo(f"mafs-bench: {line}", err=True)
    )
    size = page.stat().st_size / 2**20
    typer.echo(f"{page}  {size:.1f} MiB\n{len(others)} figures and tables beside it")
