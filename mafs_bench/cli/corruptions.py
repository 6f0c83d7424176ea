"""``mafs-bench check-operator``: check an operator against the contract."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check-operator")(check_operator)


def check_operator(
    operator: Annotated[str, typer.Argument(help="registered name, or file.py:attribute")],
    suite: Annotated[
        str | None,
        typer.Option(help="take the parameters from this suite"),
    ] = None,
) -> None:
    """Check a corruption operator: one line per rule.

    Without a suite it gets the parameters {"severity": 1} to 5.
    """
    from mafs_bench.api import checks

    findings = checks.check_operator(operator, suite)
    for finding in findings:
        typer.echo(
            f"{'ok  ' if finding.holds else 'FAIL'} {finding.rule}{': ' * bool(finding.seen)}{finding.seen}"
        )
    if not all(finding.holds for finding in findings):
        raise typer.Exit(1)
