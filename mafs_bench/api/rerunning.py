"""Run a model on the cells of a stored run or a published table. Models are loaded on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.corruptions.suite import suite_of
from mafs_bench.errors import UsageError
from mafs_bench.registry import is_file_reference
from mafs_bench.report.baseline import Baseline
from mafs_bench.runs.store import StoredRun, read_run

if TYPE_CHECKING:
    from mafs_bench.runs.execute import Progress, Resources
    from mafs_bench.runs.plan import RunRequest


def request_of(
    baseline: Baseline, model: str, dataset: str | None = None, data_root: Path | None = None
) -> RunRequest:
    """The request that runs ``model`` on the cells of a baseline.

    ``dataset`` and ``data_root`` stand in for where the baseline's data lay. Raises ``UsageError`` where that was a
    folder of the user's that is not there.
    """
    from mafs_bench.adapters.load import adapter_class, options_of
    from mafs_bench.report.commands import requested_corruption, requested_prompts
    from mafs_bench.runs.plan import RunRequest

    spec = baseline.spec
    suite_of(spec)  # refuses a suite file that has changed
    read = options_of(adapter_class(model)) if isinstance(model, str) else frozenset()
    return RunRequest(
        model=model,
        corruption=requested_corruption(
            spec, (name for frames in baseline.frames.values() for name, _ in frames)
        ),
        severity=",".join(map(str, spec.severities)),
        dataset=dataset or _dataset_of(baseline),
        split=spec.split,
        data_root=data_root or (Path(spec.data_root) if spec.data_root else None),
        tasks=tuple(baseline.frames),
        suite=spec.suite_file or spec.suite,
        seed=spec.seed,
        limit=spec.limit,
        engine=spec.engine,
        on_error=spec.on_error,
        clipscore=spec.clipscore.get("model", ""),
        max_pixels=spec.max_pixels,
        excluded=spec.excluded,
        language=spec.language if dataset in (None, spec.dataset) else "",
        prompts=requested_prompts(spec) if "prompts" in read else "",
        model_args=spec.model_args if "model_args" in read else {},
        first_stage=spec.first_stage.get("model", "") if "first_stage" in read else "",
    )


def _dataset_of(baseline: Baseline) -> str:
    path = baseline.spec.dataset_path
    if path and not Path(path.rpartition(":")[0] if is_file_reference(path) else path).exists():
        raise UsageError(
            f"{path}, the data set of {baseline.path}, is not there; name it where it is with --dataset FOLDER"
        )
    return path or baseline.spec.dataset


def run_request(request: RunRequest, out: Path | None, resources: Resources, progress: Progress) -> StoredRun:
    """Plan, execute, and read the stored run."""
    from mafs_bench.runs.execute import execute
    from mafs_bench.runs.plan import make_plan

    plan = make_plan(request)
    return read_run(execute(plan, resources, out, progress).folder)
