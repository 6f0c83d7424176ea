"""A run on a Ray cluster of two processes: the same bytes, also when one of them is lost.

What starts a cluster is ``slow``: ``pytest -m slow tests/integration/test_ray.py``.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.probe import Probe
from mafs_bench.errors import ResourceError, UnknownNameError, UsageError, WeightsError
from mafs_bench.runs.choose import choose_executor
from mafs_bench.runs.execute import Resources, execute
from mafs_bench.runs.plan import Cell, Plan, RunRequest, make_plan
from mafs_bench.runs.progress import Quiet
from mafs_bench.runs.ray_executor import Cluster, Driver, Worker, run_on_cluster
from mafs_bench.runs.record import make_spec, probe_of
from mafs_bench.tasks.ranking import score_memory
from mafs_bench.types import RunSpec
from tests.support import survival_adapters
from tests.support.ray_cluster import two_processes
from tests.support.results_folder import contents
from tests.support.toy import write_toy_folder

ADAPTER = f"{survival_adapters.__file__}:Slow"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_processes() as ray:
        yield ray


def request_of(folder: Path) -> RunRequest:
    if not (folder / "toy").is_dir():
        write_toy_folder(folder / "toy")
    return RunRequest(
        ADAPTER, "contrast,brightness,keyboard", "1,5", dataset=str(folder / "toy"), tasks=("retrieval",)
    )


class KillsOne(Quiet):
    """Kills a worker when the first cell is stored."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.killed = 0

    def cell(self, cell: Cell) -> None:
        super().cell(cell)
        if not self.killed and (workers := busy_workers()):
            os.kill(workers[0], signal.SIGKILL)
            self.killed = workers[0]

    def note(self, line: str) -> None:
        self.notes.append(line)


def busy_workers() -> list[int]:
    """Actors that are running a method, by their process title."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = file.read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::Worker.run"):
            found.append(int(file.parent.name))
    return found


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_also_when_a_worker_is_lost(cluster: Any, tmp_path: Path) -> None:
    plan = make_plan(request_of(tmp_path))
    resources = Resources(batch_size=4, workers=0)
    execute(plan, resources, tmp_path / "local", Quiet())
    elsewhere = choose_executor("ray", None, 0.0)
    progress = KillsOne()
    execute(plan, resources, tmp_path / "killed", progress, elsewhere)
    assert progress.killed
    assert [note for note in progress.notes if "a Ray worker was lost" in note]
    assert contents(tmp_path / "killed") == contents(tmp_path / "local")
    for name, where in (("here", None), ("spread", elsewhere)):
        execute(plan, replace(resources, cache=tmp_path / f"of-{name}"), tmp_path / name, Quiet(), where)
        assert contents(tmp_path / name) == contents(tmp_path / "local")
    assert rows_in(tmp_path / "of-spread") == rows_in(tmp_path / "of-here") > 0


def record_of(plan: Plan) -> RunSpec:
    settings = resolve_settings("cpu")
    adapter = load(plan.request.model, settings)
    return make_spec(plan, adapter, None, settings, probe_of(plan, adapter, settings), ())


def rows_in(cache: Path) -> int:
    with sqlite3.connect(cache / "embeddings-2.sqlite") as base:
        return int(base.execute("SELECT count(*) FROM rows").fetchone()[0])


@pytest.mark.slow
def test_more_gpus_than_there_are_is_one_line(cluster: Any, tmp_path: Path) -> None:
    plan = make_plan(request_of(tmp_path))
    with pytest.raises(ResourceError, match="a worker needs 8 GPU, the cluster has 0"):
        run_on_cluster(Cluster(None, 8.0), plan, plan.cells, record_of(plan), Resources(), tmp_path, Quiet())


@pytest.mark.slow
def test_other_weights_are_refused(cluster: Any, tmp_path: Path) -> None:
    plan = make_plan(request_of(tmp_path))
    spec = replace(record_of(plan), weights="another")
    with pytest.raises(
        WeightsError, match="is not as the driver: the model's weights are another there and "
    ):
        run_on_cluster(Cluster(), plan, plan.cells[:1], spec, Resources(workers=0), tmp_path / "out", Quiet())


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    write_toy_folder(tmp_path / "toy")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    words = ["run", "--model", ADAPTER, "--dataset", "toy", "--corruption", "contrast", "--executor", "ray"]
    done = subprocess.run(
        [sys.executable, "-m", "mafs_bench", *words, "--ray-address", address],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"mafs-bench: no Ray cluster at {address}: ")
    assert "Traceback" not in done.stderr


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    plan = make_plan(request_of(tmp_path))
    with pytest.raises(ResourceError, match=r"pip install 'mafs-bench\[ray\]'"):
        run_on_cluster(Cluster(), plan, plan.cells, record_of(plan), Resources(), tmp_path, Quiet())


def test_a_worker_whose_model_is_another_says_what_differs(tmp_path: Path) -> None:
    """Without Ray: weights, answers and package versions must be the driver's."""
    plan = make_plan(request_of(tmp_path))
    spec = record_of(plan)
    probe = Probe.from_table(spec.probe)
    other = replace(probe, numbers={name: -rows for name, rows in probe.numbers.items()})
    for changed, words in (
        ({"weights": "w"}, "the model's weights are w there and "),
        (
            {"probe": other.to_table()},
            "the model answers differently (images, together: outputs differ by 2 ",
        ),
        ({"packages": {**spec.packages, "numpy": "1.0"}}, "packages is "),
    ):
        driver = Driver("driver", str(Path.cwd()), replace(spec, **changed))
        error = Worker(plan.request, Resources("cpu", workers=0), driver).run([0])
        assert isinstance(error, WeightsError)
        assert f"{os.uname().nodename} is not as the driver: {words}" in str(error)


def test_names_and_options_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ray'"):
        choose_executor("rai", None, 0)
    with pytest.raises(UsageError, match="go with --executor ray"):
        choose_executor("local", "auto", 0)


def test_a_worker_keeps_to_the_memory_and_to_a_cache_of_its_node(tmp_path: Path) -> None:
    """Without Ray: what an actor does with its resources on the driver's node and on another."""
    plan = make_plan(request_of(tmp_path))
    resources = Resources("cpu", workers=0, cache=tmp_path / "cache", memory=12345)
    images, captions = len(plan.dataset.samples), sum(len(s.captions) for s in plan.dataset.samples)
    for node, cache in ((os.uname().nodename, "."), ("another", os.uname().nodename)):
        driver = Driver(node, str(Path.cwd()), record_of(plan))
        worker, context = Worker(plan.request, resources, driver), copy_context()
        assert not isinstance(context.run(worker.run, [0]), Exception)
        assert context[score_memory] == 12345
        assert rows_in(tmp_path / "cache" / cache) == images + captions
