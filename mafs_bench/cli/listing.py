"""``mafs-bench list``: list what is available."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.errors import UsageError
from mafs_bench.limits import DEFAULT_SUITE


class Kind(StrEnum):
    """What can be listed."""

    models = "models"
    corruptions = "corruptions"
    datasets = "datasets"
    tasks = "tasks"
    suites = "suites"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_)


def list_(
    kind: Annotated[Kind, typer.Argument(help="what to list")],
    suite: Annotated[str, typer.Option(help="whose corruptions")] = DEFAULT_SUITE,
    audit: Annotated[
        bool, typer.Option("--audit", help="measure the effect of the corruptions on a data set")
    ] = False,
    dataset: Annotated[str, typer.Option(help="with --audit: the data set")] = "scenes",
    data_root: Annotated[Path | None, typer.Option(help="with --audit: folder of the data set")] = None,
    limit: Annotated[int, typer.Option(min=1, help="with --audit: number of samples")] = 20,
    model: Annotated[
        str | None, typer.Option(help="with --audit: the preprocessing images go through; else 224 px")
    ] = None,
) -> None:
    """List models, corruptions, data sets, tasks or suites."""
    from mafs_bench.api import listing
    from mafs_bench.cli.tables import print_rows

    if audit and kind is not Kind.corruptions:
        raise UsageError(f"list {kind} --audit; allowed: list corruptions --audit")
    if audit:
        header, rows = listing.audit_corruptions(
            suite, dataset=dataset, data_root=data_root, limit=limit, model=model
        )
    else:
        header, rows = listing.overview(kind, suite)
    print_rows(header, rows)
