"""A sweep of imagenet-c@1 with ViT-B-32 beside its bare forward passes, and beside the loop that people write.

pytest tests/benchmarks/test_sweep_speed.py -s

All 95 cells of 64 images take minutes on idle cores; ``MAFS_BENCH_SWEEP=16:4`` takes 16 images and every
fourth corruption. CPU time counts all processes and means something on a machine with other work, too.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.cli.progress import Quiet
from mafs_bench.operators import legacy
from mafs_bench.runner.execute import Resources, closing_workers, default_workers, make_encoder, run_cells
from mafs_bench.runner.plan import Plan, RunRequest, make_plan
from mafs_bench.runner.store import cell_file, read_cell
from mafs_bench.seeding import stream
from mafs_bench.types import Condition

IMAGES, STEP = map(int, os.environ.get("MAFS_BENCH_SWEEP", "64:1").split(":"))
BATCH = 64
THREADS = os.cpu_count() or 1
PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "flickr8k-mini"


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds, those of finished child processes among them."""

    def cpu() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    wall, before = time.perf_counter(), cpu()
    made = work()
    return time.perf_counter() - wall, cpu() - before, made


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ViT-B-32 with random weights: their values do not matter to the time."""
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("vit")
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32")
    logging.disable(logging.NOTSET)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    config = {
        "model_cfg": open_clip.get_model_config("ViT-B-32"),
        "preprocess_cfg": dict(model.visual.preprocess_cfg),
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def plan_of(weights: Path, engine: str) -> Plan:
    dataset = str(PHOTOS) if PHOTOS.is_dir() else "scenes"
    request = RunRequest(
        f"clip:local-dir:{weights}",
        "all",
        dataset=dataset,
        tasks=("retrieval",),
        suite="imagenet-c@1",
        limit=IMAGES,
        engine=engine,
    )
    plan = make_plan(request)
    kept = {corruption.name for corruption in plan.corruptions[::STEP]}
    cells = [cell for cell in plan.cells if cell.condition.corruption in {None, *kept}]
    return replace(plan, cells=tuple(cells))


def sweep(plan: Plan, adapter: Any, out: Path) -> None:
    resources = Resources(batch_size=BATCH, workers=default_workers())
    encoder = make_encoder(plan, adapter, resolve_settings(), resources, out / ".partial", Quiet())
    with closing_workers():
        run_cells(encoder, plan.cells, out, Quiet())
    for child in active_children():
        child.join()  # its CPU time counts once it has ended


def bare_passes(model: Any, plan: Plan, sizes: list[int]) -> None:
    """The images' batches and the texts, once, and nothing else."""
    captions = [caption for sample in plan.dataset.samples for caption in sample.captions]
    with torch.inference_mode():
        for size in sizes:
            model.model.encode_image(torch.zeros(size, 3, 224, 224))
        model.model.encode_text(model.tokenizer(captions))


def plain_loop(model: Any, plan: Plan) -> dict[Condition, np.ndarray]:
    """For each cell: corrupt image by image with the library, encode all, encode the texts again, rank."""
    ranks = {}
    samples = plan.dataset.samples
    captions = [caption for sample in samples for caption in sample.captions]
    owner = np.repeat(np.arange(len(samples)), [len(sample.captions) for sample in samples])
    for cell in plan.cells:
        pixels = []
        for sample in samples:
            image = sample.image.load()
            for corruption, severity in cell.corruptions:
                rng = stream(0, corruption.suite, corruption.name, sample.id)
                image = legacy.corrupt(image, corruption, severity, rng)
            pixels.append(torch.from_numpy(model.preprocess(image)))
        batches = torch.stack(pixels).split(BATCH)
        with torch.inference_mode():
            images = torch.cat([model.model.encode_image(batch) for batch in batches])
            texts = model.model.encode_text(model.tokenizer(captions))
        images, texts = (x / x.norm(dim=-1, keepdim=True) for x in (images, texts))
        scores = (texts @ images.T).numpy()
        own = scores[np.arange(len(owner)), owner]
        ranks[cell.condition] = (scores >= own[:, None]).sum(axis=1)
    return ranks


def test_a_sweep_costs_little_more_than_its_forward_passes(weights: Path, tmp_path: Path) -> None:
    torch.set_num_threads(THREADS)
    native = plan_of(weights, "native")
    adapter = load(native.request.model, resolve_settings())
    model, sizes = adapter._loaded, []
    encode = adapter.encode_pixels
    adapter.encode_pixels = lambda pixels: (sizes.append(len(pixels)), encode(pixels))[1]
    wall, cpu, _ = timed(lambda: sweep(native, adapter, tmp_path / "native"))
    bare_wall, bare_cpu, _ = timed(lambda: bare_passes(model, native, sizes))
    loop_wall, loop_cpu, ranks = timed(lambda: plain_loop(model, native))
    print(
        f"\n{len(native.cells)} cells, {IMAGES} images, {sum(sizes)} rows in {len(sizes)} batches, "
        f"{THREADS} threads, {default_workers()} workers, load {os.getloadavg()[0]:.1f}\n"
        f"sweep        {wall:8.1f} s wall {cpu:8.1f} s CPU\n"
        f"bare passes  {bare_wall:8.1f} s wall {bare_cpu:8.1f} s CPU\n"
        f"plain loop   {loop_wall:8.1f} s wall {loop_cpu:8.1f} s CPU\n"
        f"sweep / bare {wall / bare_wall:.3f} wall {cpu / bare_cpu:.3f} CPU; "
        f"loop / sweep {loop_wall / wall:.2f} wall {loop_cpu / cpu:.2f} CPU"
    )
    same_as_the_loop(weights, adapter, ranks, tmp_path / "reference")
    assert wall / bare_wall <= 1.05
    assert loop_wall / wall >= 1.8


def same_as_the_loop(weights: Path, adapter: Any, ranks: dict[Condition, np.ndarray], out: Path) -> None:
    """With the library's own corruptions a run gives the loop's ranks: held to two corruptions' cells."""
    plan = plan_of(weights, "reference")
    names = [name for name in dict.fromkeys(c.condition.corruption for c in plan.cells) if name][:2]
    plan = replace(plan, cells=tuple(c for c in plan.cells if c.condition.corruption in {None, *names}))
    sweep(plan, adapter, out)
    for cell in plan.cells:
        frame, _ = read_cell(cell_file(out, "retrieval", cell.condition))
        found = frame[frame.direction == "t2i"].score.to_numpy()
        np.testing.assert_array_equal(found, ranks[cell.condition])
