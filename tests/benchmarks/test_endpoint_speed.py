"""Requests per second to a server that answers after 200 ms, 64 in flight: 320 at best.

    pytest tests/benchmarks/test_endpoint_speed.py -s

The server is a process of its own. CPU time is that of this process: images are encoded and requests sent by it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.endpoint.adapter import Endpoint
from mafs_bench.tasks.base import in_order

IN_FLIGHT, BATCH, BATCHES, DELAY = 64, 64, 25, 0.2
IDEAL = IN_FLIGHT / DELAY


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    stub = Path(__file__).parents[1] / "support" / "endpoint_stub.py"
    command = [sys.executable, str(stub), "0", str(DELAY)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def _images(edge: int) -> list[np.ndarray]:
    """Smooth blocks under noise, no two alike."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 255, (edge // 16, edge // 16, 3)), np.ones((16, 16, 1)))
    noisy = [np.clip(blocks + rng.normal(0, 20, blocks.shape), 0, 255) for _ in range(BATCH)]
    return [image.astype(np.uint8) for image in noisy]


@pytest.mark.parametrize(("edge", "share"), [(0, 0.9), (224, 0.7)])
def test_requests_per_second(port: int, edge: int, share: float, tmp_path: Path) -> None:
    model = Endpoint.load(
        f"tiny@http://127.0.0.1:{port}/v1", Settings(concurrency=IN_FLIGHT, batch_size=BATCH)
    )
    model.keep_answers([tmp_path])
    images = _images(edge or 16)
    present = np.full((BATCH, 2), bool(edge))

    def ask(number: int) -> int:
        shown = [np.roll(image, number, axis=0) for image in images]  # each image is new, and encoded once
        return len(model.answer(shown, [f"question {number}.{i}" for i in range(BATCH)], present))

    ask(BATCHES)
    began, used = time.monotonic(), time.process_time()
    asked = sum(in_order(ask, range(BATCHES), model.batches_at_once))
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    model.close()
    rate, each = asked / seconds, cpu / asked
    load = os.getloadavg()[0]
    print(
        f"\n{edge} px: {rate:.0f} requests/s ({rate / IDEAL:.0%}), {each * 1e3:.2f} CPU-ms each, load {load:.1f}"
    )
    assert each < 1 / IDEAL or edge, "one core cannot keep up"
    busy = each * rate >= 0.9 * len(os.sched_getaffinity(0))
    if rate < share * IDEAL and not busy and load > 2:
        pytest.skip(f"other programs use this machine (load {load:.1f})")
    assert rate >= share * IDEAL or busy
