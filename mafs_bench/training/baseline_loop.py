"""The optimiser's loop of the bundled baselines, and the card that goes with what it made."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

Losses = Mapping[str, torch.Tensor]
_REPORT_EVERY = 50


@dataclass(frozen=True, slots=True)
class Budget:
    """steps of ``batch_size`` scenes; the learning rate rises over 5 % of them and falls along a cosine.

    scene_steps: steps before these in which the image encoder alone learns to name what it sees.
    """

    steps: int = 1200
    scene_steps: int = 1200
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """What a training run was: seconds it took, and each loss over its last steps."""

    seconds: float
    losses: Mapping[str, float]


def optimise(
    modules: Iterable[nn.Module], losses: Callable[[], Losses], budget: Budget, say: Callable[[str], None]
) -> Run:
    """Minimise the sum of ``losses()`` by AdamW, a new batch each call."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    parameters = list({id(parameter): parameter for parameter in parameters}.values())
    optimiser = torch.optim.AdamW(
        parameters, lr=budget.learning_rate, weight_decay=budget.weight_decay, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, budget.steps))
    start, mean = time.perf_counter(), dict[str, float]()
    for step in range(1, budget.steps + 1):
        terms = losses()
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, budget.clip)
        optimiser.step()
        schedule.step()
        mean = {name: _moving(mean.get(name), float(term.detach())) for name, term in terms.items()}
        if step % _REPORT_EVERY == 0 or step == budget.steps:
            shown = "  ".join(f"{name} {value:.3f}" for name, value in mean.items())
            say(f"step {step}/{budget.steps}  {time.perf_counter() - start:.0f} s  {shown}")
    return Run(time.perf_counter() - start, mean)


def write_card(folder: Path, about: Mapping[str, Any], budget: Budget, run: Run) -> Path:
    """Write ``card.json``: what was trained on what, how, for how long, to which losses."""
    card = {
        **about,
        "data": f"scenes, split train, domain flat, first {budget.limit} scenes",
        "budget": asdict(budget),
        "losses over the last steps": {name: round(value, 4) for name, value in run.losses.items()},
        "seconds": round(run.seconds),
        "threads": torch.get_num_threads(),
    }
    path = folder / "card.json"
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return path


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
