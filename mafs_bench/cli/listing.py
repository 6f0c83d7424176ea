"""``mafs-bench list``: what there is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


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
    suite: Annotated[str, typer.Option(help="whose corruptions")] = "core@1",
) -> None:
    """List models, corruptions, data sets, tasks or suites."""
    from mafs_bench.cli.tables import print_rows

    header, rows = _ROWS[kind](suite)
    print_rows(header, rows)


def _models(_suite: str) -> tuple[list[str], list[list[str]]]:
    from mafs_bench.adapters import ADAPTERS

    return ["model", "what it is"], [[name, ADAPTERS.summary(name)] for name in ADAPTERS.names()]


def _datasets(_suite: str) -> tuple[list[str], list[list[str]]]:
    from mafs_bench.datasets import DATASETS

    return ["data set", "what it is"], [[name, DATASETS.summary(name)] for name in DATASETS.names()]


def _tasks(_suite: str) -> tuple[list[str], list[list[str]]]:
    from mafs_bench.tasks import TASKS

    return ["task", "what it is"], [[name, TASKS.summary(name)] for name in TASKS.names()]


def _suites(_suite: str) -> tuple[list[str], list[list[str]]]:
    from mafs_bench import suites

    loaded = [suites.load(name) for name in suites.published()]
    return ["suite", "corruptions", "sha-256", "what it is"], [
        [suite.id, str(len(suite.corruptions)), suite.digest[:12], suite.description] for suite in loaded
    ]


def _corruptions(suite: str) -> tuple[list[str], list[list[str]]]:
    from mafs_bench import suites

    found = suites.load(suite).corruptions.values()
    return ["corruption", "modality", "family", "unit", "source"], [
        [", ".join([c.name, *c.aliases]), c.modality, c.family, c.unit, c.source] for c in found
    ]


_ROWS = {
    Kind.models: _models,
    Kind.corruptions: _corruptions,
    Kind.datasets: _datasets,
    Kind.tasks: _tasks,
    Kind.suites: _suites,
}
