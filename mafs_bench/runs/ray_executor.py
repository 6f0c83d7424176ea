"""Spread a run over a Ray cluster: a corruption's cells at a time, to actors that hold the model once.

An actor makes the plan again from the request, so that data and weights must be reachable from its node under
the same names; it is refused where they are not the same. The driver alone writes the results folder. Cells are
stored as the bytes that an actor made, which are those of a local run.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mafs_bench.errors import (
    DataError,
    MafsBenchError,
    ResourceError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from mafs_bench.runs.execute import Progress, Resources, load_judge, make_encoder, run_cells
from mafs_bench.runs.plan import Cell, Plan, RunRequest, make_plan, without_unsupported
from mafs_bench.runs.record import make_spec, probe_of
from mafs_bench.runs.store import cell_file, record_difference, write_atomically
from mafs_bench.tasks.ranking import score_memory
from mafs_bench.types import RunSpec

_DEATHS = 3
"""Workers lost in a row before a run gives up."""

_ANSWERS_WITHIN = 10.0
"""Seconds in which a cluster must take a connection; Ray itself would try for minutes."""


@dataclass(frozen=True)
class Cluster:
    """Where to run. address: as ``ray.init`` takes it, None for one on this machine."""

    address: str | None = None
    gpus_per_worker: float = 0.0


@dataclass(frozen=True)
class Driver:
    """Where a run was started, and the record that a worker must come to as well."""

    node: str
    folder: str
    spec: RunSpec


@dataclass(frozen=True)
class Made:
    """What a worker made: cells' files by their number in the plan, how many images it read, and on which devices."""

    files: dict[int, bytes]
    images: int
    devices: tuple[str, ...]


class Worker:
    """An actor's whole state: a plan and an encoder, made once."""

    def __init__(self, request: RunRequest, resources: Resources, driver: Driver) -> None:
        self._given = (request, resources, driver)
        self._plan: Plan | None = None
        self._encoder: Any = None
        self._devices: tuple[str, ...] = ()

    def run(self, numbers: Sequence[int]) -> Made | MafsBenchError:
        """The files of these cells of the plan; an error travels as a value."""
        try:
            return self._run(numbers)
        except UnknownNameError as error:
            return UsageError(str(error))  # the one error that does not survive pickling
        except MafsBenchError as error:
            return error

    def _run(self, numbers: Sequence[int]) -> Made:
        if self._plan is None:
            self._start()
        assert self._plan is not None
        with tempfile.TemporaryDirectory() as name:
            folder, counter = Path(name), _Counter()
            score_memory.set(self._given[1].memory)
            self._encoder.advance = counter.rows
            cells = [self._plan.cells[number] for number in numbers]
            run_cells(self._encoder, cells, folder, counter)
            made = {
                number: cell_file(folder, cell.task.name, cell.condition).read_bytes()
                for number, cell in zip(numbers, cells, strict=True)
            }
            return Made(made, counter.images, self._devices)

    def _start(self) -> None:
        import torch

        from mafs_bench.adapters.load import load

        request, resources, driver = self._given
        if Path(driver.folder).is_dir():
            os.chdir(driver.folder)  # names of files are relative to where the run was started
        torch.set_num_threads(1 + resources.workers)
        plan = make_plan(request)
        node = os.uname().nodename
        if plan.dataset.revision != driver.spec.revision:
            raise DataError(f"{node}: {plan.dataset.name} is another revision than the driver's")
        settings = request.settings(resources.settings())
        adapter = load(request.model, settings)
        plan, _ = without_unsupported(plan, adapter)  # as the driver does: cells have the same numbers
        judge = load_judge(plan, resources.settings())
        probe = probe_of(plan, adapter, settings)
        spec = make_spec(plan, adapter, judge, settings, probe, ())
        left_out = replace(spec, excluded=driver.spec.excluded, skipped=driver.spec.skipped)
        difference = record_difference(driver.spec, left_out)
        if difference is not None:
            raise WeightsError(f"{node} is not as the driver: {difference}")
        self._devices = spec.device
        if resources.cache is not None and node != driver.node:
            # On a folder that nodes share, SQLite's locks cannot be relied on: a node writes a file of its own.
            resources = replace(resources, cache=resources.cache / node)
        self._encoder = make_encoder(plan, adapter, settings, resources, None, _Counter(), probe, judge)
        self._plan = plan


class _Counter:
    """A worker's progress: it counts images for the driver's bar."""

    def __init__(self) -> None:
        self.images = 0

    def start(self, cells: int, stored: int, folder: Path) -> None:
        """The driver says so."""

    def rows(self, n: int) -> None:
        """Count images."""
        self.images += n

    def cell(self, cell: Cell) -> None:
        """The driver says so."""

    def note(self, line: str) -> None:
        """Into the worker's log, which Ray collects."""
        print(line, flush=True)


def run_on_cluster(
    cluster: Cluster,
    plan: Plan,
    todo: Sequence[Cell],
    spec: RunSpec,
    resources: Resources,
    folder: Path,
    progress: Progress,
) -> tuple[str, ...]:
    """Run and store cells; gives the devices that did.

    Raises ``ResourceError`` for a cluster that is not there, ``WeightsError`` for a node whose model, packages or data
    are not the driver's, and what a run raises.
    """
    numbers = {id(cell): number for number, cell in enumerate(plan.cells)}
    waiting = [[numbers[id(cell)] for cell in group] for group in _groups(todo)]
    driver = Driver(os.uname().nodename, str(Path.cwd()), spec)
    devices: dict[str, None] = {}
    # A worker plans again, without what the driver found that it cannot use.
    request = replace(plan.request, excluded=(*plan.request.excluded, *plan.skipped))
    given = (request, resources, driver)
    with _connected(cluster) as ray:
        actor_class = ray.remote(Worker).options(
            num_cpus=1 + resources.workers, num_gpus=cluster.gpus_per_worker, max_restarts=0
        )
        running: dict[Any, tuple[Any, list[int]]] = {}
        for _ in range(min(len(waiting), _actors(ray, cluster, resources))):
            actor = actor_class.remote(*given)
            group = waiting.pop(0)
            running[actor.run.remote(group)] = (actor, group)
        deaths = 0
        while running:
            [done], _ = ray.wait(list(running))
            actor, group = running.pop(done)
            try:
                made = ray.get(done)
            except ray.exceptions.RayActorError as error:
                deaths += 1
                if deaths == _DEATHS:
                    raise ResourceError(
                        f"{deaths} Ray workers in a row were lost: {_short(error)}"
                    ) from error
                progress.note(f"a Ray worker was lost; its {len(group)} cells are run again")
                actor = actor_class.remote(*given)
                waiting.insert(0, group)
            else:
                deaths = 0
                devices |= dict.fromkeys(_store(made, plan, folder, progress))
            if waiting:
                group = waiting.pop(0)
                running[actor.run.remote(group)] = (actor, group)
    return tuple(devices)


def _groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that share their corrupted images; the clean ones with those whose images stay as they are."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        images = [c.name for c, _ in cell.corruptions if c.modality == "image"]
        others = [c.name for c, _ in cell.corruptions]
        found.setdefault(next(iter(images + others), ""), []).append(cell)
    return list(found.values())


def _store(made: Made | MafsBenchError, plan: Plan, folder: Path, progress: Progress) -> tuple[str, ...]:
    if isinstance(made, MafsBenchError):
        raise made
    progress.rows(made.images)
    for number, data in made.files.items():
        cell = plan.cells[number]
        write_atomically(cell_file(folder, cell.task.name, cell.condition), data)
        progress.cell(cell)
    return made.devices


def _actors(ray: Any, cluster: Cluster, resources: Resources) -> int:
    """How many workers the cluster has room for. Raises ``ResourceError`` where there is none for one."""
    room = ray.cluster_resources()
    asked = {"CPU": 1.0 + resources.workers, "GPU": cluster.gpus_per_worker}
    fits = {kind: int(room.get(kind, 0) // n) for kind, n in asked.items() if n}
    short = next((kind for kind, n in fits.items() if n == 0), None)
    if short is not None:
        raise ResourceError(
            f"a worker needs {asked[short]:g} {short}, the cluster has {room.get(short, 0):g}"
        )
    return min(fits.values())


@contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    try:
        import ray
    except ImportError as error:
        raise ResourceError("--executor ray needs the package: pip install 'mafs-bench[ray]'") from error
    was_connected = ray.is_initialized()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if not was_connected:
        where = cluster.address or os.environ.get("RAY_ADDRESS") or "this machine"
        try:
            _require_answer(where)
            ray.init(cluster.address, log_to_driver=False, logging_level="error", include_dashboard=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise ResourceError(f"no Ray cluster at {where}: {_short(error)}") from error
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own would end the run without a word
    try:
        yield ray
    finally:
        if not was_connected:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise ``OSError`` where nothing takes connections at HOST:PORT; other forms are left to Ray."""
    parts = re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)", address)
    if parts is not None:
        with socket.create_connection((parts["host"], int(parts["port"])), _ANSWERS_WITHIN):
            pass


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
