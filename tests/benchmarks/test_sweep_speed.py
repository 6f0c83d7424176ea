"""A sweep of imagenet-c@1 with ViT-B-32 beside its bare forward passes, and beside the loop that people write.

pytest tests/benchmarks/test_sweep_speed.py -s

All 95 cells, of 10 images unless ``MAFS_BENCH_SWEEP=64:1`` says otherwise (images:step; 4:6 takes every sixth
corruption). The loop corrupts for every cell, but encodes for a sample of cells and that time is scaled up to all.
CPU time counts all processes and means something on a machine with other work, too.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet  # noqa: F401  as torch: an import is no part of a sweep
import pytest
import torch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.probe import Probe
from mafs_bench.adapters.text_towers import encode_texts
from mafs_bench.corruptions import legacy
from mafs_bench.runs.execute import (
    Resources,
    closing_workers,
    core_count,
    default_workers,
    make_encoder,
    run_cells,
)
from mafs_bench.runs.plan import Cell, Plan, RunRequest, make_plan
from mafs_bench.runs.progress import Quiet
from mafs_bench.runs.store import cell_file, read_cell
from mafs_bench.seeding import stream
from mafs_bench.types import Condition

IMAGES, STEP = map(int, os.environ.get("MAFS_BENCH_SWEEP", "10:1").split(":"))
BATCH = 64
LOOP_STEP = 4
"""Of how many corruptions the loop encodes one, at one severity."""
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
    return of_corruptions(plan, {corruption.name for corruption in plan.corruptions[::STEP]})


def of_corruptions(plan: Plan, names: set[str]) -> Plan:
    """Its clean cell and those of these corruptions."""
    return replace(plan, cells=tuple(c for c in plan.cells if c.condition.corruption in {None, *names}))


@dataclass
class Spent:
    """Wall and CPU seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        return f"{self.wall:8.1f} s wall {self.cpu:8.1f} s CPU"

    def add(self, work: Callable[[], Any], times: float = 1.0) -> Any:
        """Do ``work`` and count it so many times."""
        wall, cpu, made = timed(work)
        self.wall += times * wall
        self.cpu += times * cpu
        return made


@dataclass
class Swept:
    """One sweep and its bare forward passes."""

    plan: Plan
    adapter: Any
    sweep: Spent
    bare: Spent


def encoder_of(plan: Plan, adapter: Any, out: Path) -> Any:
    torch.set_num_threads(core_count())
    resources = Resources(batch_size=BATCH, workers=default_workers())
    probe = Probe("fp32", {}, {}, {})
    return make_encoder(plan, adapter, resolve_settings(), resources, out / ".partial", Quiet(), probe)


def sweep(encoder: Any, cells: Sequence[Cell], out: Path) -> None:
    with closing_workers():
        run_cells(encoder, cells, out, Quiet())
    for child in active_children():
        child.join()  # its CPU time counts once it has ended


def bare_images(model: Any, sizes: list[int]) -> None:
    with torch.inference_mode():
        for size in sizes:
            model.model.encode_image(torch.zeros(size, 3, 224, 224))


def bare_texts(model: Any, plan: Plan) -> None:
    captions = [caption for sample in plan.dataset.samples for caption in sample.captions]
    with torch.inference_mode():
        encode_texts(model, captions)


@pytest.fixture(scope="module")
def swept(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Half of the bare passes before the sweep, half after: a machine that slows down slows both alike."""
    plan, out = plan_of(weights, "native"), tmp_path_factory.mktemp("native")
    adapter = load(plan.request.model, resolve_settings())
    sizes: list[int] = []
    start = adapter.start_pixels
    adapter.start_pixels = lambda pixels: (sizes.append(len(pixels)), start(pixels))[1]
    encoder, made = encoder_of(plan, adapter, out), Swept(plan, adapter, Spent(), Spent())
    model, rows = adapter._loaded, len(plan.cells) * IMAGES
    expected = [min(BATCH, rows - start) for start in range(0, rows, BATCH)]
    middle = len(expected) // 2
    bare_images(model, [1])
    made.bare.add(lambda: bare_images(model, expected[:middle]))
    made.sweep.add(lambda: sweep(encoder, plan.cells, out))
    made.bare.add(lambda: bare_texts(model, plan))
    made.bare.add(lambda: bare_images(model, expected[middle:]))
    assert sizes == expected
    print(
        f"\n{len(plan.cells)} cells, {IMAGES} images, {sum(sizes)} rows in {len(sizes)} batches, "
        f"{torch.get_num_threads()} threads, {default_workers()} workers, load {os.getloadavg()[0]:.1f}\n"
        f"sweep        {made.sweep}\nbare passes  {made.bare}\nsweep / bare "
        f"{made.sweep.wall / made.bare.wall:.3f} wall {made.sweep.cpu / made.bare.cpu:.3f} CPU"
    )
    return made


@dataclass
class Looped:
    """What the loop took, and the ranks of the cells that it encoded."""

    spent: Spent
    ranks: dict[Condition, np.ndarray]


@pytest.fixture(scope="module")
def looped(swept: Swept) -> Looped:
    """For each cell: corrupt image by image with the library, encode all, encode the texts again, rank."""
    plan, model = swept.plan, swept.adapter._loaded
    spent, ranks = Spent(), {}
    names = [
        c.name for c in plan.corruptions if any(c.name == cell.condition.corruption for cell in plan.cells)
    ]
    sample = {Condition(plan.suite.id, name, 3, 0) for name in names[::LOOP_STEP]}
    for cell in plan.cells:
        pixels = spent.add(lambda cell=cell: corrupted_by_the_library(model, plan, cell))
        if cell.condition in sample:
            times = len(plan.cells) / len(sample)
            ranks[cell.condition] = spent.add(lambda pixels=pixels: ranked(model, plan, pixels), times)
    print(
        f"plain loop   {spent}, its encoding that of {len(sample)} cells times {times:.1f}\nloop / sweep "
        f"{spent.wall / swept.sweep.wall:.2f} wall {spent.cpu / swept.sweep.cpu:.2f} CPU"
    )
    return Looped(spent, ranks)


def corrupted_by_the_library(model: Any, plan: Plan, cell: Cell) -> torch.Tensor:
    pixels = []
    for sample in plan.dataset.samples:
        image = sample.image.load()
        for corruption, severity in cell.corruptions:
            rng = stream(0, corruption.suite, corruption.name, sample.id)
            image = legacy.corrupt(image, corruption, severity, rng)
        pixels.append(torch.from_numpy(model.preprocess(image)))
    return torch.stack(pixels)


def ranked(model: Any, plan: Plan, pixels: torch.Tensor) -> np.ndarray:
    samples = plan.dataset.samples
    captions = [caption for sample in samples for caption in sample.captions]
    owner = np.repeat(np.arange(len(samples)), [len(sample.captions) for sample in samples])
    with torch.inference_mode():
        images = torch.cat([model.model.encode_image(batch) for batch in pixels.split(BATCH)])
        texts = model.model.encode_text(model.tokenizer(captions))
    images, texts = (x / x.norm(dim=-1, keepdim=True) for x in (images, texts))
    scores = (texts @ images.T).numpy()
    own = scores[np.arange(len(owner)), owner]
    return (scores >= own[:, None]).sum(axis=1)


def test_a_sweep_costs_little_more_than_its_forward_passes(swept: Swept) -> None:
    assert swept.sweep.wall / swept.bare.wall <= 1.05


def test_a_sweep_is_faster_than_the_loop(swept: Swept, looped: Looped) -> None:
    assert looped.spent.wall / swept.sweep.wall >= 1.8


def test_scores_are_those_of_the_loop(weights: Path, swept: Swept, looped: Looped, tmp_path: Path) -> None:
    """With the library's own corruptions, in the cells that the loop encoded."""
    plan = plan_of(weights, "reference")
    cells = [cell for cell in plan.cells if cell.condition in looped.ranks]
    sweep(encoder_of(plan, swept.adapter, tmp_path), cells, tmp_path)
    for cell in cells:
        frame, _ = read_cell(cell_file(tmp_path, "retrieval", cell.condition))
        found = frame[frame.direction == "t2i"].score.to_numpy()
        np.testing.assert_array_equal(found, looped.ranks[cell.condition])


def test_bf16_is_three_times_faster_than_the_loop(swept: Swept, looped: Looped, tmp_path: Path) -> None:
    """Where the processor multiplies in bf16; elsewhere the precision is emulated, and slower than fp32."""
    settings = resolve_settings(precision="bf16")
    adapter = load(swept.plan.request.model, settings)
    pixels = np.zeros((16, 3, 224, 224), dtype=np.float32)
    one = [Spent(), Spent()]
    for spent, model in zip(one, (swept.adapter, adapter), strict=True):
        spent.add(lambda model=model: model.encode_pixels(pixels))
    print(f"\n16 images  fp32 {one[0]}  bf16 {one[1]}: {one[1].cpu / one[0].cpu:.2f} times the CPU time")
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        pytest.skip("this processor has no bf16 instructions")
    spent = Spent()
    spent.add(lambda: sweep(encoder_of(swept.plan, adapter, tmp_path), swept.plan.cells, tmp_path))
    print(f"sweep in bf16 {spent}; loop / sweep {looped.spent.wall / spent.wall:.2f}")
    assert looped.spent.wall / spent.wall >= 3
