"""The optimiser's loop of the bundled baselines, and the card that goes with what it made."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from shlex import quote
from typing import Any

import torch
from torch import nn

from mafs_bench.errors import TrainingError, WeightsError
from mafs_bench.files import check_folder, replacing, write_text
from mafs_bench.recipes.backbone_data import describe

Losses = Mapping[str, torch.Tensor]
_REPORT_EVERY = 25


@dataclass(frozen=True, slots=True)
class Budget:
    """What a training may cost; the learning rate of each phase rises over 5 % of it and falls along a cosine.

    scene_steps: of ``scene_batch`` pictures, in which the image encoder learns to name what it sees.
    claim_steps: of ``claim_batch`` captions, in which the text encoder learns what a caption claims.
    steps: of ``batch_size`` scenes, in which everything is learnt at once.
    """

    scene_steps: int = 240
    scene_batch: int = 64
    claim_steps: int = 800
    claim_batch: int = 128
    steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    limit: int = 6_000


@dataclass(frozen=True, slots=True)
class Phase:
    """One schedule of a training; ``file`` is its checkpoint, from which a broken-off one goes on."""

    name: str
    steps: int
    file: Path


@dataclass(frozen=True, slots=True)
class Run:
    """What a phase was: seconds it took, and each loss over its last steps."""

    seconds: float
    losses: Mapping[str, float]


def optimise(
    modules: Sequence[nn.Module],
    losses: Callable[[int], Losses],
    phase: Phase,
    budget: Budget,
    log: Callable[[str], None],
) -> Run:
    """Minimise the sum of ``losses(step)`` by AdamW; a step's batch depends on its number alone.

    Raises ``TrainingError`` for a loss that is not finite.
    """
    trained = nn.ModuleList(modules)
    parameters = list(trained.parameters())
    optimiser = torch.optim.AdamW(
        parameters, lr=budget.learning_rate, weight_decay=budget.weight_decay, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, phase.steps))
    done, before, mean = _resume(phase, budget, trained, optimiser, schedule, log)
    start = time.perf_counter() - before
    for step in range(done + 1, phase.steps + 1):
        terms = losses(step)
        total = torch.stack(list(terms.values())).sum()
        TrainingError.check_loss(float(total.detach()), step, phase.steps)
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, budget.clip)
        optimiser.step()
        schedule.step()
        mean = {name: _moving(mean.get(name), float(term.detach())) for name, term in terms.items()}
        if step % _REPORT_EVERY == 0 or step == phase.steps:
            seconds = time.perf_counter() - start
            shown = "  ".join(f"{name} {value:.3f}" for name, value in mean.items())
            log(f"{phase.name} {step}/{phase.steps}  {seconds:.0f} s  {shown}")
            _keep(phase, budget, trained, optimiser, schedule, (step, seconds, mean))
    return Run(time.perf_counter() - start, mean)


def _identity(phase: Phase, budget: Budget, trained: nn.Module) -> str:
    """What a checkpoint must have been made by to be taken up: the phase, the whole budget, the parameters' shapes."""
    shapes = [tuple(parameter.shape) for parameter in trained.parameters()]
    return f"{phase.name}, {phase.steps} steps, {budget}, {hashlib.sha256(repr(shapes).encode()).hexdigest()}"


def _keep(
    phase: Phase,
    budget: Budget,
    trained: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    progress: tuple[int, float, dict[str, float]],
) -> None:
    """Write a checkpoint, whole or not at all."""
    stored = {
        "identity": _identity(phase, budget, trained),
        "model": trained.state_dict(),
        "optimizer": optimiser.state_dict(),
        "lr_scheduler": schedule.state_dict(),
        "progress": progress,
    }
    with replacing(phase.file) as temporary:
        torch.save(stored, temporary)


def _resume(
    phase: Phase,
    budget: Budget,
    trained: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    log: Callable[[str], None],
) -> tuple[int, float, dict[str, float]]:
    """Load what a broken-off run of the same phase left: steps and seconds done, and the losses."""
    if not phase.file.is_file():
        return 0, 0.0, {}
    try:
        stored = torch.load(phase.file, weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        log(f"{phase.file} is damaged ({type(error).__name__}); {phase.name} starts again")
        return 0, 0.0, {}
    if stored["identity"] != _identity(phase, budget, trained):
        log(f"{phase.file} is of another training; {phase.name} starts again")
        return 0, 0.0, {}
    trained.load_state_dict(stored["model"])
    optimiser.load_state_dict(stored["optimizer"])
    schedule.load_state_dict(stored["lr_scheduler"])
    step, seconds, mean = stored["progress"]
    return step, seconds, mean


def write_card(
    folder: Path, name: str, about: Mapping[str, Any], budget: Budget, runs: Mapping[str, Run]
) -> Path:
    """Write ``card.json``: what was trained on what, how, for how long, to which losses."""
    card = {
        **about,
        "purpose": "a small model for small rendered scenes, so that everything runs without a download; it knows "
        "nothing of photos or of language",
        "command": f"mafs-bench train {name} {options(budget)} --out {quote(str(folder))}",
        "data": f"scenes, split train, domain flat, first {budget.limit} scenes",
        "training_data": [describe(budget.limit)],
        "seed": budget.seed,
        "budget": asdict(budget),
        "phases": {
            phase: {
                "seconds": round(run.seconds),
                "losses over the last steps": {loss: round(value, 4) for loss, value in run.losses.items()},
            }
            for phase, run in runs.items()
        },
        "seconds": round(sum(run.seconds for run in runs.values())),
        "threads": torch.get_num_threads(),
    }
    path = folder / "card.json"
    write_text(path, json.dumps(card, indent=2) + "\n")
    return path


def prepare_folder(folder: Path) -> Path:
    """Check that weights can be written there, before anything is trained; the folder for what lasts no longer.

    Raises ``WeightsError``.
    """
    checkpoints = folder / "checkpoints"
    try:
        check_folder(checkpoints)
    except OSError as error:
        raise WeightsError(f"cannot write {folder}: {error.strerror}") from error
    return checkpoints


def options(budget: Budget) -> str:
    """The options of a command that says this budget in full."""
    return (
        f"--scene-steps {budget.scene_steps} --claim-steps {budget.claim_steps} --steps {budget.steps} "
        f"--batch-size {budget.batch_size} --seed {budget.seed} --limit {budget.limit}"
    )


def halve(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state in half precision, contiguous; integers stay."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().clone()
        for name, tensor in state.items()
    }


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) / 2


def _moving(mean: float | None, value: float) -> float:
    return value if mean is None else 0.95 * mean + 0.05 * value
