"""``mafs-bench compare``, ``domain-gap`` and ``verify-paper``: stored numbers, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_OUT = Annotated[list[Path] | None, typer.Option(help="repeatable; .md, .csv or .tex by suffix")]
_METRIC = Annotated[str | None, typer.Option(help="metric name [primary metric of each task]")]
_RESAMPLES = Annotated[int, typer.Option(min=200, help="bootstrap resamples")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("compare")(compare)
    app.command("domain-gap")(domain_gap)
    app.command("verify-paper")(verify_paper)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="results folders; the first one is the baseline")],
    metric: _METRIC = None,
    task: Annotated[list[str] | None, typer.Option(help="repeatable [all tasks that the runs share]")] = None,
    out: _OUT = None,
    resamples: _RESAMPLES = 2000,
) -> None:
    """Compare runs with the first one, with paired tests.

    Prints robustness measures, corrected paired tests over all cells, and effect sizes.
    """
    from mafs_bench.api.comparing import comparison_tables
    from mafs_bench.api.output import print_tables

    print_tables(comparison_tables(*runs, metric=metric, task=task or (), resamples=resamples, out=out or ()))


def domain_gap(
    source: Annotated[Path, typer.Argument(help="results folder on the source domain")],
    target: Annotated[Path, typer.Argument(help="results folder of the same model on another domain")],
    metric: _METRIC = None,
    out: _OUT = None,
    resamples: _RESAMPLES = 2000,
) -> None:
    """Compare the runs of one model on two domains.

    Prints the score lost between them, and whether corruption costs more outside the source domain.
    """
    from mafs_bench import api
    from mafs_bench.api.output import check_suffixes, print_tables, write_tables

    check_suffixes(out or [])
    tables = api.domain_gap(source, target, metric=metric, resamples=resamples).tables()
    print_tables(tables)
    for path in out or []:
        write_tables(tables, path)


def verify_paper(
    file: Annotated[
        Path | None, typer.Argument(help="TOML of printed numbers, optionally with cells [arXiv 2212.08044]")
    ] = None,
    out: _OUT = None,
) -> None:
    """Recompute the tables of arXiv 2212.08044.

    Lists where its printed numbers disagree with each other.
    """
    from mafs_bench.api.comparing import paper_table
    from mafs_bench.api.output import check_suffixes, print_tables, write_tables

    check_suffixes(out or [])
    table = paper_table(file)
    print_tables([table])
    for path in out or []:
        write_tables([table], path)
