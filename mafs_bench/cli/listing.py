"""``mafs-bench list``: what there is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.errors import UsageError


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
    audit: Annotated[
        bool, typer.Option("--audit", help="measure what the corruptions do to a data set")
    ] = False,
    dataset: Annotated[str, typer.Option(help="with --audit: on what")] = "scenes",
    data_root: Annotated[
        Path | None, typer.Option(help="with --audit: folder of its official layout")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="with --audit: samples")] = 20,
) -> None:
    """List models, corruptions, data sets, tasks or suites."""
    from mafs_bench.cli.tables import print_rows

    if audit and kind is not Kind.corruptions:
        raise UsageError(f"list {kind} --audit; allowed: list corruptions --audit")
    header, rows = _audited(suite, dataset, data_root, limit) if audit else _ROWS[kind](suite)
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
    from mafs_bench.corruptions import suite as suites

    loaded = [suites.load(name) for name in suites.published()]
    return ["suite", "corruptions", "sha-256", "what it is"], [
        [suite.id, str(len(suite.corruptions)), suite.digest[:12], suite.description] for suite in loaded
    ]


def _corruptions(suite: str) -> tuple[list[str], list[list[str]]]:
    from mafs_bench.corruptions import suite as suites

    found = suites.load(suite).corruptions.values()
    return ["corruption", "modality", "family", "unit", "source"], [
        [", ".join([c.name, *c.aliases]), c.modality, c.family, c.unit, c.source] for c in found
    ]


def _audited(
    suite: str, dataset: str, data_root: Path | None, limit: int
) -> tuple[list[str], list[list[str]]]:
    from mafs_bench.corruptions import suite as suites
    from mafs_bench.datasets.resolve import resolve
    from mafs_bench.runs.audit import audit_corruption
    from mafs_bench.runs.boxes import with_boxes
    from mafs_bench.runs.frame import in_frame

    chosen = suites.load(suite)
    corruptions = chosen.corruptions.values()
    samples = in_frame(with_boxes(resolve(dataset, None, data_root, limit), corruptions), chosen.frame)
    found = [audit_corruption(corruption, samples) for corruption in corruptions]
    return [
        "corruption",
        "modality",
        "applicable",
        "changed at 1 to 5",
        "how much at 1 to 5",
        "measured in",
    ], [
        [
            row.corruption,
            row.modality,
            f"{row.applicable:.0%}",
            " ".join(f"{share:.0%}" for share in row.changed),
            " ".join(f"{value:.3g}" for value in row.strength),
            row.unit,
        ]
        for row in found
    ]


_ROWS = {
    Kind.models: _models,
    Kind.corruptions: _corruptions,
    Kind.datasets: _datasets,
    Kind.tasks: _tasks,
    Kind.suites: _suites,
}
