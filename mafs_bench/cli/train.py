"""``mafs-bench train``: train the bundled models."""

from __future__ import annotations

import typer

train_app = typer.Typer(help="Train a backbone, a scheduler or a baseline.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(train_app, name="train")
