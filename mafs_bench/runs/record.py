"""The record of a run: the request as resolved, what the model answers, and whatever else can change a number."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from mafs_bench.adapters.base import Adapter, Settings
from mafs_bench.adapters.identity import modules_of
from mafs_bench.adapters.probe import TOLERANCES, Probe, take_probe
from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions.base import ImageOperator, TextOperator
from mafs_bench.datasets.images import decoder_versions
from mafs_bench.datasets.overlap import overlap_notes
from mafs_bench.datasets.resolve import own_path
from mafs_bench.metrics.java_metrics import java_programs
from mafs_bench.runs.frame import frame_name, native_note
from mafs_bench.runs.plan import Plan
from mafs_bench.runs.usable import skipped_note
from mafs_bench.types import Corruption, Dataset, RunSpec
from mafs_bench.version import __version__

PACKAGES = (
    "torch",
    "open_clip_torch",
    "transformers",
    "tokenizers",
    "numpy",
    "scipy",
    "numba",
    "opencv-python",
    "pillow",
    "imagecorruptions",
    "scikit-image",
    "nlpaug",
    "textblob",
    "lemminflect",
)
"""Packages whose version can change a number."""

_SERVED = (
    "{} is known by its URL, its name there and the prompts; its answers to the bundled inputs are recorded and not "
    "compared"
)


def probe_of(plan: Plan, adapter: Adapter, settings: Settings) -> Probe:
    """Probe a model for the tasks of a plan. Raises ``AdapterError``."""
    needed = {capability for task in plan.tasks for need in task.needs for capability in need}
    return take_probe(adapter, settings.precision, settings.batch_size, needed, compared=not adapter.served)


def _probe_of_judge(judge: Adapter, settings: Settings) -> Probe:
    return take_probe(judge, settings.precision, settings.batch_size, needed=())


def make_spec(
    plan: Plan,
    adapter: Adapter,
    judge: Adapter | None,
    settings: Settings,
    probe: Probe | None,
    notes: Sequence[str],
) -> RunSpec:
    """The record of a run that is about to start; ``notes`` are added to the record's own.

    probe: None before the model was asked; what is measured of it is left empty.
    """
    from mafs_bench.adapters.inference import allows_tf32

    request, dataset = plan.request, plan.dataset
    tasks = tuple(task.name for task in plan.tasks)
    tf32 = allows_tf32()
    return RunSpec(
        model=request.model,
        weights=adapter.weights,
        dataset=dataset.name,
        split=dataset.split,
        revision=dataset.revision,
        limit=request.limit,
        tasks=tasks,
        suite=plan.suite.id,
        suite_hash=plan.suite.digest,
        frame=frame_name(plan.suite.frame),
        language=dataset.language,
        corruptions=tuple(corruption.name for corruption in plan.corruptions),
        severities=plan.severities,
        seed=request.seed,
        precision=settings.precision,
        engine=request.engine,
        on_error=request.on_error,
        missing=dict(adapter.missing),
        sources=dict(adapter.sources),
        clipscore={} if judge is None else {"model": request.clipscore, "weights": judge.weights},
        packages=versions(),
        notes=(*notes, *(() if probe is None else _measured_notes(adapter, probe, tf32, tasks))),
        probe={} if probe is None else probe.to_table(),
        clipscore_probe={} if judge is None or probe is None else _probe_of_judge(judge, settings).to_table(),
        modules=modules_of(adapter),
        decoders=decoder_versions(),
        device=(f"server: {adapter.name}" if adapter.served else device_name(settings.device),),
        tf32=tf32,
        suite_file=str(Path(request.suite).resolve()) if request.suite.endswith(".toml") else "",
        assets=assets_of(plan.corruptions),
        max_pixels=request.max_pixels,
        excluded=request.excluded,
        skipped=dict(plan.skipped),
        prompts=dict(adapter.prompts),
        trust_remote_code=settings.trust_remote_code,
        model_args={key: text for key, text in settings.model_args.items() if key not in adapter.unrecorded},
        first_stage=dict(adapter.first_stage),
        dataset_path=own_path(request.dataset),
        data_root="" if request.data_root is None else str(request.data_root.expanduser().resolve()),
    )


def run_notes(plan: Plan, adapter: Adapter, judge: Adapter | None, settings: Settings) -> list[str]:
    """What a reader of the numbers must know of the data, the models and how they run."""
    foreign = [_domain_note(model, plan.dataset) for model in (adapter, judge) if model is not None]
    compiled = ["the image encoder was compiled (--compile)"] if settings.compile else []
    served = [_SERVED.format(adapter.name)] if adapter.served else []
    asked = [note for task in plan.tasks for note in task.notes(plan.dataset, plan.request.limit)]
    own_size = native_note(plan.dataset) if plan.suite.frame is None and plan.corruptions else None
    n_skipped, n_excluded = len(plan.skipped), len(plan.request.excluded)
    skipped = [skipped_note(plan.skipped, n_skipped + len(plan.dataset.samples))] if n_skipped else []
    excluded = [f"{n_excluded:,} samples are left out of all cells (--exclude)"] if n_excluded else []
    trained_on = [
        note
        for model in (adapter, judge)
        if model is not None
        for note in overlap_notes(model.name, model.training_data, plan.dataset)
    ]
    return [
        *plan.dataset.notes,
        *excluded,
        *skipped,
        *compiled,
        *served,
        *filter(None, [own_size]),
        *dict.fromkeys([*(note for note in foreign if note), *asked, *trained_on]),
    ]


def _domain_note(model: Adapter, dataset: Dataset) -> str:
    """That a model was made for another domain, "" where it was not."""
    if not model.domain or not dataset.domain or model.domain == dataset.domain:
        return ""
    return (
        f"{model.name} was made for {model.domain}, and {dataset.name} is of the domain {dataset.domain}"
        + (f"; made for it is {model.public}" if model.public else "")
    )


def _measured_notes(adapter: Adapter, probe: Probe, tf32: bool, tasks: Sequence[str]) -> list[str]:
    notes = []
    if adapter.states_matches and "matching" in tasks:
        notes.append(
            f"matching: {adapter.name} gives no log-probabilities; matches are those that it states, and AUROC and "
            "calibration are not available"
        )
    if probe.precision == "fp32" and tf32:
        notes.append("the model allows TF32: its fp32 products may be rounded to 10 bits on an NVIDIA GPU")
    difference = probe.batch_difference()
    if difference > TOLERANCES[probe.precision]:
        notes.append(
            f"the model's outputs depend on the batch size (by {difference:.1g} on the bundled inputs)"
        )
    return notes


def versions() -> Mapping[str, str]:
    """The versions of everything that can change a number, and the Java programs that score captions."""
    java = ", ".join(java_programs()) or "not used"
    return {"mafs-bench": __version__, **{name: _version(name) for name in PACKAGES}, "java": java}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def device_name(device: str) -> str:
    """The kind and the name of a device: ``cuda: NVIDIA H100``, ``cpu: AMD EPYC 7763``."""
    kind = device.partition(":")[0]
    if kind != "cuda":
        return f"{kind}: {_processor()}"
    import torch

    return f"cuda: {torch.cuda.get_device_name(device)}"


def _processor() -> str:
    """The processor's name: Linux knows it only in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine() or "unknown"


def assets_of(corruptions: Iterable[Corruption]) -> Mapping[str, str]:
    """SHA-256 of the weights that corruptions use. Raises ``UsageError`` where they are missing."""
    found: dict[str, str] = {}
    for corruption in corruptions:
        operator = OPERATORS.get(corruption.operator)
        if isinstance(operator, ImageOperator | TextOperator):
            for level in corruption.levels:
                found |= operator.assets(level)
    return dict(sorted(found.items()))
