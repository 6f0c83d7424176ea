"""Two Ray workers beside one process, one thread each, on the bundled model: the speed-up, and the same bytes.

pytest tests/benchmarks/test_ray_speed.py -s
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mafs_bench.runs.choose import choose_executor
from mafs_bench.runs.execute import Resources, execute
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.progress import Quiet
from tests.support.ray_cluster import two_processes
from tests.support.results_folder import contents

SCENES = int(os.environ.get("MAFS_BENCH_RAY_SCENES", "300"))


def test_two_workers_beside_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    request = RunRequest("clip", "all", tasks=("retrieval",), suite="imagenet-c@1", limit=SCENES)
    plan = make_plan(request)
    seconds = {}
    with two_processes():
        for name, where in (("one", None), ("two", choose_executor("ray", None, 0.0))):
            began = time.perf_counter()
            execute(plan, Resources(workers=0), tmp_path / name, Quiet(), where)
            seconds[name] = time.perf_counter() - began
    print(
        f"\n{len(plan.cells)} cells, {SCENES} scenes: one process {seconds['one']:.0f} s, two Ray workers "
        f"{seconds['two']:.0f} s with their start, {seconds['one'] / seconds['two']:.2f} times as fast, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert seconds["one"] / seconds["two"] >= 1.3
