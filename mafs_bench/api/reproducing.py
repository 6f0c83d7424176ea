"""Compare clean numbers of public checkpoints with published ones, to validate the pipeline."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.api.rerunning import run_request
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.files import legal_name
from mafs_bench.report.tables import CHANGE, SCORE, Column, Table
from mafs_bench.types import Estimate

if TYPE_CHECKING:
    from mafs_bench.runs.execute import Progress, Resources

SETS: Mapping[str, str] = {"clip-clean": "clip-clean.toml"}
"""Name of a set of published numbers -> its data file."""
_NAMES, _METRICS = ("model", "dataset"), ("t2i_r5", "i2t_r5")
_POINTS = 100


@dataclass(frozen=True, slots=True)
class Reproduction:
    """One published number and ours, in the unit of the metric."""

    model: str
    dataset: str
    metric: str
    published: float
    ours: Estimate
    meets: bool


def reproduce(
    name: str,
    roots: Mapping[str, Path],
    models: Sequence[str],
    tolerance: float,
    out: Path,
    resources: Resources,
    progress: Progress,
) -> list[Reproduction]:
    """Run every published row whose data set has a folder in ``roots``; ``models`` empty: all models.

    ``tolerance`` in points (hundredths). Raises ``UnknownNameError``, ``UsageError`` and what a run raises.
    """
    from mafs_bench.corruptions.suite import CLEAN_ONLY
    from mafs_bench.runs.plan import RunRequest

    made: list[Reproduction] = []
    for row in _chosen(name, roots, models):
        model, dataset = str(row["model"]), str(row["dataset"])
        request = RunRequest(
            model, CLEAN_ONLY, dataset=dataset, data_root=roots[dataset], tasks=("retrieval",)
        )
        folder = out / legal_name(f"{model}-{dataset}".replace(":", "-").replace("/", "-"))
        found = run_request(request, folder, resources, progress).results[0].metrics
        for metric in _METRICS:
            published, ours = float(row[metric]), found[metric]
            meets = ours.value is not None and abs(ours.value - published) * _POINTS <= tolerance
            made.append(Reproduction(model, dataset, metric, published, ours, meets))
    return made


def reproduce_published(
    name: str,
    *,
    data_roots: Sequence[str],
    models: Sequence[str] = (),
    tolerance: float = 0.5,
    out: Path,
    device: str = "auto",
    batch_size: int = 64,
    progress: Progress,
) -> list[Reproduction]:
    """Run public checkpoints on clean data, as ``mafs-bench reproduce`` does.

    data_roots: one ``DATASET=FOLDER`` per data set. The other arguments and exceptions are those of ``reproduce``.
    """
    from mafs_bench.runs.execute import Resources, default_workers

    resources = Resources(device, "fp32", batch_size, default_workers())
    return reproduce(name, parse_roots(data_roots), models, tolerance, out, resources, progress)


def _chosen(name: str, roots: Mapping[str, Path], models: Sequence[str]) -> list[Mapping[str, str | float]]:
    rows = _read(name)
    known = dict.fromkeys(str(row["model"]) for row in rows)
    for model in models:
        if model not in known:
            raise UnknownNameError(f"model of {name}", model, known)
    chosen = [row for row in rows if row["dataset"] in roots and (not models or row["model"] in models)]
    if not chosen:
        sets = ", ".join(dict.fromkeys(f"{row['dataset']}=FOLDER" for row in rows))
        raise UsageError(f"reproduce {name} needs a data set: --data-root {sets}")
    return chosen


def _read(name: str) -> list[Mapping[str, str | float]]:
    """The rows of a set, or of a user's TOML file of the same layout. Raises ``UnknownNameError``, ``UsageError``."""
    if not name.endswith(".toml"):
        if name not in SETS:
            raise UnknownNameError("set of published numbers", name, SETS)
        file = package_files.files("mafs_bench.report") / "data" / SETS[name]
        bundled: list[Mapping[str, str | float]] = tomllib.loads(file.read_text(encoding="utf-8"))["rows"]
        return bundled
    try:
        rows = tomllib.loads(Path(name).read_text(encoding="utf-8"))["rows"]
        return [{**{k: str(row[k]) for k in _NAMES}, **{k: float(row[k]) for k in _METRICS}} for row in rows]
    except OSError as problem:
        raise UsageError(f"{name}: {problem.strerror}") from problem
    except (ValueError, KeyError, TypeError) as problem:
        keys = ", ".join((*_NAMES, *_METRICS))
        raise UsageError(f"{name}: {problem}; allowed: [[rows]] with {keys}") from problem


def parse_roots(texts: Sequence[str]) -> dict[str, Path]:
    """Parse ``DATASET=FOLDER`` arguments. Raises ``UsageError``."""
    roots: dict[str, Path] = {}
    for text in texts:
        name, found, folder = text.partition("=")
        if not found or not folder:
            raise UsageError(f"--data-root {text!r}: allowed: DATASET=FOLDER")
        roots[name] = Path(folder)
    return roots


def reproduction_table(made: Sequence[Reproduction], tolerance: float) -> Table:
    """Every number next to the published one."""
    columns = (
        *(Column(name) for name in ("model", "data set", "metric")),
        Column("published", SCORE),
        Column("ours", SCORE),
        Column("difference", CHANGE),
        Column("verdict", meaning=f"meets: within {tolerance:g} points"),
    )
    rows = [
        (
            *(r.model, r.dataset, r.metric, r.published, r.ours),
            None if r.ours.value is None else r.ours.value - r.published,
            "meets" if r.meets else "DIFFERS",
        )
        for r in made
    ]
    return Table("Published clean numbers", columns, rows)
