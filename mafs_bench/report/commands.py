"""The command that makes a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from mafs_bench.corruptions.suite import CLEAN_ONLY, JOINT
from mafs_bench.datasets import DATASETS
from mafs_bench.language import UNDECIDED
from mafs_bench.runs.store import StoredRun
from mafs_bench.types import MAX_PIXELS, RunSpec


def run_command(
    *,
    model: str,
    dataset: str,
    split: str,
    tasks: Sequence[str],
    suite: str,
    corruption: str,
    severities: Sequence[int],
    seed: int,
    limit: int | None,
    clipscore: str = "",
    precision: str = "fp32",
    engine: str = "native",
    on_error: str = "fail",
    max_pixels: int = MAX_PIXELS,
    exclude: str = "",
    language: str = "",
    prompts: str = "",
    model_args: Mapping[str, str] = MappingProxyType({}),
    trust_remote_code: bool = False,
    first_stage: str = "",
    data_root: str = "",
) -> str:
    """Write ``mafs-bench run …`` with every choice that decides a number; the last eleven only where they differ."""
    unusual: list[tuple[str, object, object]] = [
        ("clipscore", clipscore, ""),
        ("precision", precision, "fp32"),
        ("engine", engine, "native"),
        ("on-error", on_error, "fail"),
        ("max-pixels", max_pixels, MAX_PIXELS),
        ("exclude", exclude, ""),
        ("language", language, ""),
        ("prompts", prompts, ""),
        ("model-args", ",".join(f"{key}={value}" for key, value in model_args.items()), ""),
        ("first-stage", first_stage, ""),
    ]
    options: list[tuple[str, object]] = [
        ("model", model),
        ("dataset", dataset),
        *([("data-root", data_root)] if data_root else []),
        ("split", split),
        *(("task", task) for task in tasks),
        ("suite", suite),
        ("corruption", corruption),
        ("severity", severity_span(severities)),
        ("seed", seed),
        *([("limit", limit)] if limit else []),
        *((name, value) for name, value, usual in unusual if value != usual),
    ]
    flags = ["--trust-remote-code"] if trust_remote_code else []
    written = (f"--{name} {shlex.quote(str(value))}" for name, value in options)
    return " ".join(["mafs-bench run", *written, *flags])


def command_of(run: StoredRun) -> str:
    """Write the command of a stored run."""
    return command_of_spec(run.spec, (cell.corruption for cell in run.results))


def command_of_spec(spec: RunSpec, cells: Iterable[str | None]) -> str:
    """Write the command of a run, given its spec and the corruptions of its cells."""
    return run_command(
        model=spec.model,
        dataset=spec.dataset_path or spec.dataset,
        data_root=spec.data_root,
        split=spec.split,
        tasks=spec.tasks,
        suite=spec.suite_file or spec.suite,
        corruption=requested_corruption(spec, cells),
        severities=spec.severities,
        seed=spec.seed,
        limit=spec.limit,
        clipscore=spec.clipscore.get("model", ""),
        precision=spec.precision,
        engine=spec.engine,
        on_error=spec.on_error,
        max_pixels=spec.max_pixels,
        exclude="excluded.txt" if spec.excluded else "",
        language=requested_language(spec),
        prompts=requested_prompts(spec),
        model_args=spec.model_args,
        trust_remote_code=spec.trust_remote_code,
        first_stage=spec.first_stage.get("model", ""),
    )


def requested_language(spec: RunSpec) -> str:
    """What ``--language`` must be to get this run's: nothing where the data set states it, or its texts do not tell."""
    stated = spec.language == "en" and spec.dataset.partition(":")[0] in DATASETS.names()
    return "" if stated or spec.language == UNDECIDED else spec.language


def requested_prompts(spec: RunSpec) -> str:
    """What ``--prompts`` was: the path of a file of the user's, else the published name; "" for models without."""
    return spec.prompts.get("file", spec.prompts.get("name", ""))


def requested_corruption(spec: RunSpec, cells: Iterable[str | None]) -> str:
    """What ``--corruption`` was, given the corruptions of the run's cells."""
    if any(name in spec.joints for name in cells):
        return JOINT + "+".join(spec.corruptions)
    return ",".join(spec.corruptions) or CLEAN_ONLY


def severity_span(severities: Sequence[int]) -> str:
    """Write severities as the command line takes them: ``3``, ``1-5`` or ``1,3,5``."""
    first, last = severities[0], severities[-1]
    unbroken = len(severities) > 1 and list(severities) == list(range(first, last + 1))
    return f"{first}-{last}" if unbroken else ",".join(map(str, severities))
