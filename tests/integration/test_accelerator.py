"""The CUDA path, where there is CUDA; ``--compile`` everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.errors import UsageError
from mafs_bench.runs.execute import Resources, default_workers, execute
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.progress import Quiet
from mafs_bench.runs.store import read_run
from tests.support.toy import TOY_ADAPTER

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")


def pixels_for(adapter: Any, n: int) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, size=(n, 96, 96, 3), dtype=np.uint8)
    return np.stack([adapter.preprocess(image) for image in images])


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("fp16", 2e-2), ("bf16", 5e-2)])
def test_vectors_are_those_of_the_cpu(precision: str, tolerance: float) -> None:
    here, there = (load("clip", resolve_settings(d, p)) for d, p in (("cpu", "fp32"), ("cuda", precision)))
    pixels = pixels_for(here, 70)
    assert np.abs(here.encode_pixels(pixels) - there.encode_pixels(pixels)).max() <= tolerance


@pytest.mark.gpu
@cuda
def test_beginning_a_batch_does_not_wait_for_the_device() -> None:
    adapter = load("mafs-clip", resolve_settings("cuda"))
    pixels = pixels_for(adapter, 70)
    adapter.encode_pixels(pixels)
    torch.cuda.set_sync_debug_mode("error")
    try:
        finish = adapter.start_pixels(pixels)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(finish()) == 70


@pytest.mark.gpu
@cuda
def test_a_run_finds_on_cuda_what_it_finds_on_the_cpu(tmp_path: Path) -> None:
    plan = make_plan(RunRequest("clip", "contrast", "3", tasks=("retrieval",), limit=100))
    for device in ("cpu", "cuda"):
        execute(plan, Resources(device, workers=default_workers(device)), tmp_path / device, Quiet())
    both = [[c.metrics["t2i_r1"].value for c in read_run(tmp_path / d).results] for d in ("cpu", "cuda")]
    np.testing.assert_allclose(*both, atol=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"--device cuda:1: not available here; allowed: auto"):
        resolve_settings("cuda:1")


def test_what_cannot_be_compiled_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"--compile: .* has no image encoder of its own"):
        load(TOY_ADAPTER, resolve_settings("cpu", compile=True))


@pytest.mark.slow
def test_compiled_vectors_are_close_to_the_others() -> None:
    plain, compiled = (load("mafs-clip", resolve_settings("cpu", compile=c)) for c in (False, True))
    pixels = pixels_for(plain, 20)
    before, after = plain.encode_pixels(pixels).vectors, compiled.encode_pixels(pixels).vectors
    np.testing.assert_allclose(after, before, atol=1e-4)
