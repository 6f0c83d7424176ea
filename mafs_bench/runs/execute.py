"""Run a plan: load the adapter once, make what is missing, store every cell as soon as it is scored."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mafs_bench.adapters.base import Adapter, Settings
from mafs_bench.adapters.identity import modules_of
from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.probe import Probe
from mafs_bench.adapters.user_code import user_code_in_one_line
from mafs_bench.errors import StoreError, UsageError
from mafs_bench.runs.cache import open_caches
from mafs_bench.runs.derive import N_RESAMPLES, derive_cell
from mafs_bench.runs.encode import drop_spool
from mafs_bench.runs.encoder import ClipJudge, Encoder
from mafs_bench.runs.forward import Forward, memory_in_one_line
from mafs_bench.runs.plan import Cell, Plan, without_unsupported
from mafs_bench.runs.record import make_spec, probe_of, run_notes
from mafs_bench.runs.store import (
    CellMeta,
    cell_file,
    free_folder,
    open_folder,
    read_cell,
    results_json,
    write_atomically,
    write_cell,
    write_spec,
)
from mafs_bench.runs.unanswered import AUDIT, list_unanswered, unanswered
from mafs_bench.runs.usable import skip_unusable
from mafs_bench.runs.view import CLEAN_IMAGES, ConditionParts, ConditionView
from mafs_bench.runs.workers import close_workers
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks.ranking import score_memory
from mafs_bench.types import CellResult, Corruption, RunSpec


class Progress(Protocol):
    """Progress and messages of a run."""

    def start(self, cells: int, stored: int, folder: Path) -> None:
        """How many cells the run has, and how many were there already."""

    def rows(self, n: int) -> None:
        """``n`` more images went through the model."""

    def cell(self, cell: Cell) -> None:
        """One more cell is stored."""

    def note(self, line: str) -> None:
        """Something that the user should know."""


@dataclass(frozen=True)
class Resources:
    """How to run, without effect on the results."""

    device: str = "auto"
    precision: str = "fp32"
    batch_size: int = 64
    workers: int = 1
    cache: Path | None = None
    cache_bytes: int = 10 << 30
    memory: int = 2 << 30
    compile: bool = False
    concurrency: int = 16

    def settings(self) -> Settings:
        """How the model is to be run. Raises ``UnknownNameError`` or ``UsageError``."""
        return resolve_settings(self.device, self.precision, self.batch_size, self.compile, self.concurrency)


def core_count() -> int:
    """Cores for this run: ``OMP_NUM_THREADS``, else those that the process may use (as on a shared node)."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(device: str = "cpu") -> int:
    """Processes that corrupt images.

    On a CPU one for every two cores: the model goes before them (``nice``). A GPU takes images faster than a few
    cores make them: it gets its share of all cores but the one that feeds it.
    """
    if not device.startswith("cuda"):
        return max(1, core_count() // 2)
    import torch

    return max(1, core_count() // torch.cuda.device_count() - 1)


RemoteExecutor = Callable[[Plan, Sequence[Cell], RunSpec, Resources, Path, Progress], tuple[str, ...]]
"""Runs and stores cells on other machines: (plan, cells, record, resources, folder, progress) to their devices."""


@dataclass(frozen=True)
class FinishedRun:
    """Where a run is and what it found."""

    folder: Path
    spec: RunSpec
    results: tuple[CellResult, ...]


def execute(
    plan: Plan,
    resources: Resources,
    out: Path | None,
    progress: Progress,
    remote: RemoteExecutor | None = None,
    *,
    any_model: bool = False,
) -> FinishedRun:
    """Run the cells that are not stored yet, locally or with ``remote``, and derive ``results.json``.

    any_model: where ``out`` is None and the default folder holds a run of another model, take the next free one.
    Raises ``MafsBenchError`` subclasses; what was finished before stays stored.
    """
    _limit_threads()
    score_memory.set(resources.memory)
    settings = plan.request.settings(resources.settings())
    adapter = plan.adapter or load(plan.request.model, settings)
    with closing_workers(), closing(adapter) if plan.adapter is None else nullcontext():
        return _execute(plan, adapter, settings, resources, out, progress, remote, any_model)


def _execute(
    plan: Plan,
    adapter: Adapter,
    settings: Settings,
    resources: Resources,
    out: Path | None,
    progress: Progress,
    remote: RemoteExecutor | None,
    any_model: bool,
) -> FinishedRun:
    if adapter.served and remote is not None:
        raise UsageError(
            f"{adapter.name} is asked from one process; --concurrency N keeps N requests in flight"
        )
    plan, lines = without_unsupported(plan, adapter)
    if plan.request.on_error == "skip":
        plan = skip_unusable(plan, resources.workers, progress.note)
    judge = load_judge(plan, resources.settings())
    notes = [*run_notes(plan, adapter, judge, settings), *lines]
    default = out or Path("runs") / _folder_name(make_spec(plan, adapter, judge, settings, None, notes))
    adapter.keep_answers([default, *([resources.cache] if resources.cache is not None else [])])
    probe = probe_of(plan, adapter, settings)
    spec = make_spec(plan, adapter, judge, settings, probe, notes)
    folder = free_folder(default, spec) if any_model and out is None else default
    with open_folder(folder, spec) as spec:
        todo = [cell for cell in plan.cells if not _is_stored(folder, cell, progress)]
        if spec.excluded:
            write_atomically(folder / "excluded.txt", "".join(f"{name}\n" for name in spec.excluded).encode())
        progress.start(len(plan.cells), len(plan.cells) - len(todo), folder)
        for line in spec.notes:
            progress.note(line)
        spool = folder / ".partial"
        if remote is not None and todo:
            devices = remote(plan, todo, spec, resources, folder, progress)
            spec = replace(spec, device=tuple(dict.fromkeys([*spec.device, *devices])))
        else:
            encoder = make_encoder(plan, adapter, settings, resources, spool, progress, probe, judge)
            run_cells(encoder, todo, folder, progress)
        results = summarise(plan, folder)
        modules, changed = _with_late(spec.modules, modules_of(adapter))
        for line in changed:
            progress.note(line)
        missing = list_unanswered(folder, plan.cells) if adapter.served else None
        if missing is not None:
            progress.note(missing)
        said = tuple(dict.fromkeys([*spec.notes, *changed, *filter(None, [missing])]))
        spec = replace(
            spec, modules=modules, notes=said, images=decoded_images(results), usage=adapter.usage()
        )
        write_spec(folder, spec)
        write_atomically(folder / "results.json", results_json(results).encode())
        drop_spool(spool)
    return FinishedRun(folder, spec, tuple(results))


def _with_late(first: Mapping[str, str], last: Mapping[str, str]) -> tuple[Mapping[str, str], list[str]]:
    """Modules as they were when the model was probed, with those imported since; a line for each that has changed."""
    changed = [name for name, digest in first.items() if last.get(name, digest) != digest]
    lines = [f"{name} was changed while the run went on; its hash is that of the start" for name in changed]
    return {**last, **first}, lines


@contextmanager
def closing_workers() -> Iterator[None]:
    """Let worker processes go at the end, however it comes."""
    try:
        yield
    finally:
        close_workers()


def _limit_threads() -> None:
    """Every core to the model, whatever ``--workers``: workers yield to it."""
    import torch

    torch.set_num_threads(core_count())


def load_judge(plan: Plan, settings: Settings) -> Adapter | None:
    """The model that judges captions for CLIPScore, None where the request names none. Raises as ``load``."""
    return load(plan.request.clipscore, settings) if plan.request.clipscore else None


def make_encoder(
    plan: Plan,
    adapter: Adapter,
    settings: Settings,
    resources: Resources,
    spool: Path | None,
    progress: Progress,
    probe: Probe,
    judge: Adapter | None = None,
) -> Encoder:
    """The encoder of a run, for the model that answered ``probe``.

    Raises ``StoreError`` where the cache cannot be opened.
    """
    caches = None
    if resources.cache is not None:
        precision = f"{settings.precision}{', compiled' * settings.compile}"
        caches = open_caches(
            resources.cache, resources.cache_bytes, adapter, precision, settings.device, probe
        )
    return Encoder(
        adapter,
        plan.dataset,
        plan.request.seed,
        resources.batch_size,
        resources.workers,
        plan.request.engine,
        spool,
        progress.rows,
        forward=Forward(adapter, resources.batch_size, caches.images if caches else None, progress.note),
        text_cache=caches.texts if caches else None,
        judge=None if judge is None else _judging(judge, plan, resources),
    )


def _judging(judge: Adapter, plan: Plan, resources: Resources) -> ClipJudge:
    request = plan.request
    return ClipJudge(
        Encoder(
            judge,
            plan.dataset,
            request.seed,
            resources.batch_size,
            resources.workers,
        )
    )


def run_cells(encoder: Encoder, todo: Sequence[Cell], folder: Path, progress: Progress) -> None:
    """Score and store cells, in order. Raises ``MafsBenchError`` subclasses."""
    left = list(todo)
    encoder.planned = _planned(todo)
    encoder.severities_left = lambda corruption: tuple(
        {severity for cell in left if (severity := cell.severity_of(corruption)) is not None}
    )
    while left:
        cell = left[0]
        view = ConditionView(encoder, cell.condition, ConditionParts.of(cell.corruptions))
        with user_code_in_one_line(encoder.adapter.name), memory_in_one_line(encoder.batch_size):
            _run_cell(view, cell, encoder, folder)
        left.pop(0)
        progress.cell(cell)


def _planned(cells: Sequence[Cell]) -> list[tuple[Corruption | None, tuple[int, ...]]]:
    """The image corruptions of cells, in order, each with all its severities."""
    found: dict[str, tuple[Corruption | None, set[int]]] = {}
    for cell in cells:
        images = [pair for pair in cell.corruptions if pair[0].modality == "image"]
        corruption, severity = images[0] if images else (None, 0)
        found.setdefault(corruption.name if corruption else "", (corruption, set()))[1].add(severity)
    return [(corruption, tuple(sorted(severities))) for corruption, severities in found.values()]


def _run_cell(view: ConditionView, cell: Cell, encoder: Encoder, folder: Path) -> None:
    frame = cell.task.score(encoder.adapter, view)
    remark = cell.task.remark(frame, encoder.dataset)
    silent = len(unanswered(frame)) if encoder.adapter.served else 0
    meta = CellMeta(
        task=cell.task.name,
        dataset=encoder.dataset.name,
        corruption=cell.condition.corruption,
        severity=cell.condition.severity,
        seed=cell.condition.seed,
        content_hash=view.content_hash(),
        audit={
            **view.audit(),
            **({"remark": remark} if remark else {}),
            **({AUDIT: silent} if silent else {}),
        },
    )
    write_cell(folder, meta, cell.condition, frame)


def _folder_name(spec: RunSpec) -> str:
    def plain(text: str) -> str:
        return re.sub(r"[^A-Za-z0-9.+-]+", "-", text).strip("-")[-40:]

    return f"{plain(spec.model)}-{plain(spec.dataset)}-{spec.digest()[:10]}"


def _is_stored(folder: Path, cell: Cell, progress: Progress) -> bool:
    """Whether a cell is there and whole; a damaged one is named, removed and run again."""
    file = cell_file(folder, cell.task.name, cell.condition)
    if not file.exists():
        return False
    try:
        read_cell(file)
    except StoreError as error:
        progress.note(f"{error}; that cell is run again")
        file.unlink()
        return False
    return True


def decoded_images(results: Sequence[CellResult]) -> str:
    """The hash of the decoded images that the clean cells saw, "" where none saw all of them."""
    found = (cell.audit.get(CLEAN_IMAGES) for cell in results if cell.corruption is None)
    return next((str(digest) for digest in found if digest), "")


def summarise(plan: Plan, folder: Path) -> list[CellResult]:
    """Derive every cell's metrics, with image-clustered intervals, from the stored scores.

    One resampling is shared by all cells, so that their differences are paired.
    """
    groups = sorted({sample.group for sample in plan.dataset.samples})
    resampling = Resampling(groups, n_resamples=N_RESAMPLES, seed=plan.request.seed)
    files = (cell_file(folder, cell.task.name, cell.condition) for cell in plan.cells)
    return [derive_cell(*read_cell(file), resampling) for file in files]
