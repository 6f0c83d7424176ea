"""The three phases of the bundled baselines: the image encoder, the text encoder, then what reads them.

The image encoder rests in the last phase: its states are computed once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mafs_bench.recipes.baseline_data import Batch, SceneBatches
from mafs_bench.recipes.baseline_loop import Budget, Losses, Phase, Run, optimise
from mafs_bench.recipes.baseline_losses import ClaimHead, SceneHead
from mafs_bench.seeding import stream


@dataclass(frozen=True)
class Curriculum:
    """What is trained in which phase.

    see: pixels to image states; read: captions to text states; losses: those of the last phase, which draws
    negatives from the generator that it is given.
    """

    model: str
    image_encoder: nn.Module
    see: Callable[[torch.Tensor], torch.Tensor]
    scene: SceneHead
    text_encoder: nn.Module
    read: Callable[[Sequence[str]], torch.Tensor]
    claims: ClaimHead
    modules: Sequence[nn.Module]
    losses: Callable[[Batch, torch.Generator], Losses]


def train(
    plan: Curriculum, batches: SceneBatches, budget: Budget, folder: Path, log: Callable[[str], None]
) -> dict[str, Run]:
    """Run the phases; checkpoints lie in ``folder/checkpoints`` until all are done."""
    checkpoints = folder / "checkpoints"

    def rng(phase: str, step: int) -> np.random.Generator:
        return stream(budget.seed, f"train {plan.model}", phase, str(step))

    def scene(step: int) -> Losses:
        pixels, quarters, facts = batches.pictures(budget.scene_batch, rng("scene", step))
        return {"scene": plan.scene(plan.see(pixels), quarters, facts)}

    def claims(step: int) -> Losses:
        captions, targets = batches.captions(budget.claim_batch, rng("claims", step))
        return {"claims": plan.claims(plan.read(captions), targets)}

    def joint(step: int) -> Losses:
        drawn = rng("joint", step)
        batch = batches.draw(budget.batch_size, drawn)
        return plan.losses(batch, torch.Generator().manual_seed(int(drawn.integers(2**31))))

    def run(name: str, steps: int, modules: Sequence[nn.Module], losses: Callable[[int], Losses]) -> Run:
        return optimise(modules, losses, Phase(name, steps, checkpoints / f"{name}.pt"), budget, log)

    runs = {
        "scene": run("scene", budget.scene_steps, [plan.image_encoder, plan.scene], scene),
        "claims": run("claims", budget.claim_steps, [plan.text_encoder, plan.claims], claims),
    }
    plan.image_encoder.requires_grad_(False)
    batches.encode(plan.see)
    runs["joint"] = run("joint", budget.steps, [*plan.modules, plan.claims], joint)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return runs
