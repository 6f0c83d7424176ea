"""List models, corruptions, data sets, tasks and suites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.api.corrupting import load_suite
from mafs_bench.errors import UsageError
from mafs_bench.limits import DEFAULT_SUITE

if TYPE_CHECKING:
    from mafs_bench.runs.audit import Sight

Overview = tuple[list[str], list[list[str]]]
"""A header and rows, as text."""


def list_models() -> tuple[str, ...]:
    """The registered models; a spec may also name a checkpoint or a file (see the guide on models)."""
    from mafs_bench.adapters import model_names

    return model_names()


def list_corruptions(suite: str = DEFAULT_SUITE) -> tuple[str, ...]:
    """The corruptions of a suite, in suite order."""
    return tuple(load_suite(suite).corruptions)


def list_datasets() -> tuple[str, ...]:
    """The registered data sets; a folder of your own also works."""
    from mafs_bench.datasets import DATASETS

    return DATASETS.names()


def list_tasks() -> tuple[str, ...]:
    """The names of the tasks, for the argument ``task``."""
    from mafs_bench.tasks import TASKS

    return TASKS.names()


def list_suites() -> tuple[str, ...]:
    """The ids of the published suites, for the argument ``suite``."""
    from mafs_bench.corruptions.suite import published

    return published()


def _models(_suite: str) -> Overview:
    from mafs_bench.adapters import ADAPTERS

    return ["model", "what it is", "as in"], [
        [name, ADAPTERS.summary(name), ADAPTERS.examples(name)] for name in ADAPTERS.names()
    ]


def _datasets(_suite: str) -> Overview:
    from mafs_bench.datasets import DATASETS

    return ["data set", "what it is"], [[name, DATASETS.summary(name)] for name in DATASETS.names()]


def _tasks(_suite: str) -> Overview:
    from mafs_bench.tasks import TASKS

    return ["task", "what it is"], [[name, TASKS.summary(name)] for name in TASKS.names()]


def _suites(_suite: str) -> Overview:
    from mafs_bench.corruptions import suite as suites

    loaded = [suites.load(name) for name in suites.published()]
    return ["suite", "corruptions", "sha-256", "what it is"], [
        [suite.id, str(len(suite.corruptions)), suite.digest[:12], suite.description] for suite in loaded
    ]


def _corruptions(suite: str) -> Overview:
    from mafs_bench.corruptions import suite as suites

    found = suites.load(suite).corruptions.values()
    return ["corruption", "modality", "family", "unit", "source"], [
        [", ".join([c.name, *c.aliases]), c.modality, c.family, c.unit, c.source] for c in found
    ]


def audit_corruptions(
    suite: str = DEFAULT_SUITE,
    *,
    dataset: str = "scenes",
    data_root: Path | None = None,
    limit: int = 20,
    model: str | None = None,
) -> Overview:
    """Measure the effect of a suite's corruptions on the first ``limit`` samples of a data set.

    Returns a header and one row per corruption: the share of applicable samples, and per severity the share that
    changes and by how much. Images are compared after the preprocessing of ``model``, or at 224 pixels where None.
    Raises ``MafsBenchError``.
    """
    from mafs_bench.corruptions import suite as suites
    from mafs_bench.datasets.resolve import resolve
    from mafs_bench.runs.audit import AT_224, audit_corruption
    from mafs_bench.runs.boxes import with_boxes
    from mafs_bench.runs.frame import in_frame

    chosen = suites.load(suite)
    corruptions = chosen.corruptions.values()
    samples = in_frame(with_boxes(resolve(dataset, None, data_root, limit), corruptions), chosen.frame)
    sight = AT_224 if model is None else _sight_of(model)
    found = [audit_corruption(corruption, samples, sight=sight) for corruption in corruptions]
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


def _sight_of(model: str) -> Sight:
    """Raises ``UsageError`` for a model that does not say how it preprocesses."""
    from mafs_bench.adapters.load import load
    from mafs_bench.runs.audit import Sight
    from mafs_bench.runs.execute import Resources

    adapter = load(model, Resources().settings())
    if not adapter.supports("encode_pixels"):
        raise UsageError(f"{model} does not show its preprocessing; allowed: models with encode_pixels")
    return Sight(adapter.preprocess, f"units of the input of {model}")


_ROWS = {
    "models": _models,
    "corruptions": _corruptions,
    "datasets": _datasets,
    "tasks": _tasks,
    "suites": _suites,
}


def overview(kind: str, suite: str = DEFAULT_SUITE) -> Overview:
    """The table of ``mafs-bench list KIND``: a header, and one row per item."""
    return _ROWS[kind](suite)
