"""``mafs-bench check-operator``: does an operator keep the contract?"""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check-operator")(check_operator)


def check_operator(
    operator: Annotated[str, typer.Argument(help="a registered name, or file.py:attribute")],
    suite: Annotated[
        str | None,
        typer.Option(help="take the parameters from the block of this suite that uses the operator"),
    ] = None,
) -> None:
    """Check an operator against the contract, one line a rule. Without a suite it gets {"severity": 1 to 5}."""
    from mafs_bench.api import checks

    findings = checks.check_operator(operator, suite)
    for finding in findings:
        typer.echo(
            f"{'ok  ' if finding.holds else 'FAIL'} {finding.rule}{': ' * bool(finding.seen)}{finding.seen}"
        )
    if not all(finding.holds for finding in findings):
        raise typer.Exit(1)
