"""Train the bundled backbone on scenes, in three parts that two processor cores can do.

1. The convolutions learn to predict the contents of each quarter of an image (with a temporary linear head).
2. The text tower learns to predict the claim of a caption (with a temporary linear head).
3. Both towers are aligned by the contrastive loss of CLIP (Radford et al., ICML 2021) on features of the frozen
   convolutions. Captions that are true of another scene of a batch are no negatives of it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from mafs_bench.datasets.scenes.captions import write_captions
from mafs_bench.datasets.scenes.questions import write_questions
from mafs_bench.datasets.scenes.rendering import DOMAINS
from mafs_bench.datasets.scenes.world import SETTING_FIELDS, make_world, scenes_of
from mafs_bench.errors import TrainingError, UsageError, WeightsError
from mafs_bench.files import check_folder, write_text
from mafs_bench.recipes import backbone_data as data
from mafs_bench.recipes.backbone_model import (
    build,
    lower_trunk,
    model_config,
    normalise,
    read,
    save,
    train_tokenizer,
    trunk,
)

Log = Callable[[str], None]
Rows = npt.NDArray[np.int64]


class Loss(Protocol):
    """What an optimiser step needs of a loss."""

    def detach(self) -> Tensor:
        """Its value."""

    def backward(self) -> None:
        """Add its gradients to the parameters."""


@dataclass(frozen=True)
class BackboneBudget:
    """Optimiser steps and items a step of the three parts; each number of ``align_steps`` is a schedule of its own."""

    image_steps: int = 900
    image_batch: int = 64
    text_steps: int = 1200
    text_batch: int = 128
    align_steps: tuple[int, ...] = (700, 1000)
    align_batch: int = 256
    editions: int = 4
    limit: int | None = None


def parse_steps(text: str) -> tuple[int, ...]:
    """Read ``700,1000``. Raises ``UsageError``."""
    parts = text.split(",")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"steps {text!r} must be positive integers with commas between, such as 700,1000")
    return tuple(map(int, parts))


def train_backbone(out: Path, cache: Path, seed: int, budget: BackboneBudget, log: Log) -> None:
    """Train from ``seed`` and write a folder of open_clip's with its card to ``out``; ``cache`` holds the drawn scenes.

    Raises ``WeightsError`` where a folder cannot be written, ``TrainingError`` for a loss that is not finite.
    """
    for folder in (out, cache):
        try:
            check_folder(folder)
        except OSError as error:
            raise WeightsError(f"cannot write {folder}: {error.strerror}") from error
    began = time.monotonic()
    tokenizer = make_tokenizer()
    torch.set_num_threads(1)  # a tower a core; more threads would wait for each other
    torch.manual_seed(seed)
    model = build(tokenizer.get_vocab_size())
    model.visual.to(memory_format=torch.channels_last)
    shown = data.pictures(cache, budget.limit)
    editions = [data.texts(_encoder(tokenizer), k, budget.limit) for k in range(budget.editions)]
    fresh = torch.get_rng_state()
    train_trunk(model, shown, seed, budget, log)
    torch.set_rng_state(fresh)  # the heads of both parts start alike, whichever comes first
    train_reader(model, editions, seed, budget, log)
    for number, steps in enumerate(budget.align_steps):
        if number:
            round_to_half(model)
        align(model, shown, editions, [seed + 1000 * number, 3], steps, budget.align_batch, log)
    save(out, model, tokenizer, model_config(tokenizer.get_vocab_size()))
    write_text(out / "card.json", _card(out, cache, seed, budget, time.monotonic() - began))


def _card(out: Path, cache: Path, seed: int, budget: BackboneBudget, seconds: float) -> str:
    """What the backbone was trained on, and the command that trains it again."""
    command = (
        f"mafs-bench train backbone --out {quote(str(out))} --cache {quote(str(cache))} --seed {seed} "
        f"--image-steps {budget.image_steps} --text-steps {budget.text_steps} "
        f"--align-steps {','.join(map(str, budget.align_steps))}"
    )
    card = {
        "model": "CLIP, small, for the scenes data set",
        "licence": "Apache-2.0",
        "command": command + (f" --limit {budget.limit}" if budget.limit else ""),
        "training_data": [data.describe(budget.limit, domain) for domain in DOMAINS],
        "seed": seed,
        "budget": asdict(budget),
        "seconds": round(seconds),
    }
    return json.dumps(card, indent=2) + "\n"


def make_tokenizer() -> Tokenizer:
    """Learn the vocabulary from captions, questions and answers of 2,000 training scenes."""
    scenes = scenes_of(make_world(data.SPLIT), 2000)
    asked = [q for questions in write_questions(scenes, data.SPLIT) for q in questions]
    spoken = [" ".join((q.text, *q.answers)) for q in asked]
    return train_tokenizer(write_captions(scenes, data.SPLIT)[0] + spoken)


def _encoder(tokenizer: Tokenizer) -> data.Tokenize:
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch(texts)]


class SceneHead(nn.Module):
    """Linear classifiers on trunk features: the group in each quarter, and the setting."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.quarters = nn.Linear(4 * channels, sum(data.QUARTER_CLASSES))
        self.settings = nn.Linear(4 * 4 * channels, sum(map(len, SETTING_FIELDS.values())))

    def loss(self, features: Tensor, quarters: Tensor, settings: Tensor) -> Tensor:
        """Mean cross-entropy over all fields."""
        n, channels = features.shape[:2]
        cells = features.reshape(n, channels, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, 4, -1)
        named = self.quarters(cells).split(data.QUARTER_CLASSES, dim=2)
        losses = [
            functional.cross_entropy(
                logits.flatten(0, 1), quarters[..., field].flatten(), ignore_index=data.IGNORED
            )
            for field, logits in enumerate(named)
        ]
        around = self.settings(features.flatten(1)).split([*map(len, SETTING_FIELDS.values())], dim=1)
        losses += [functional.cross_entropy(logits, settings[:, k]) for k, logits in enumerate(around)]
        return torch.stack(losses).mean()


def train_trunk(model: Any, shown: data.Pictures, seed: int, budget: BackboneBudget, log: Log) -> None:
    """Part 1: train the convolutions to predict the contents of each quarter."""
    targets = data.scene_targets(make_world(data.SPLIT))
    head = SceneHead(model.visual.layer4[-1].conv3.out_channels)
    convolutions = [p for name, p in model.visual.named_parameters() if not name.startswith("attnpool")]
    rng = np.random.default_rng([seed, 1])
    model.train()
    for step in _optimise([*convolutions, *head.parameters()], budget.image_steps, 4e-3, "images", log):
        rows = np.sort(rng.choice(len(shown), budget.image_batch, replace=False))
        scene = torch.from_numpy(shown.scene[rows])
        pixels = normalise(data.augment(shown.pixels[rows], rng)).contiguous(
            memory_format=torch.channels_last
        )
        step(head.loss(trunk(model.visual, pixels), targets.quarters[scene], targets.settings[scene]))


def train_reader(model: Any, editions: list[data.Texts], seed: int, budget: BackboneBudget, log: Log) -> None:
    """Part 2: train the text tower to predict the claims of captions."""
    head = nn.Linear(model.text_projection.shape[1], 2 * data.CLAIM_BITS + 5)
    rng = np.random.default_rng([seed, 2])
    parameters = [*_text_parameters(model), *head.parameters()]
    for step in _optimise(parameters, budget.text_steps, 2e-3, "texts", log):
        edition = editions[rng.integers(len(editions))]
        rows = rng.choice(len(edition.claims), budget.text_batch, replace=False)
        ids = edition.ids[rows, : int(edition.lengths[rows].max())]
        targets = data.claim_targets([edition.claims[row] for row in rows])
        step(functional.binary_cross_entropy_with_logits(head(read(model, ids)), targets))


def round_to_half(model: Any) -> None:
    """Give all weights the values they have when saved: a schedule can start from a saved model as well."""
    model.half().float()


def align(
    model: Any,
    shown: data.Pictures,
    editions: list[data.Texts],
    seed: list[int],
    steps: int,
    batch: int,
    log: Log,
) -> None:
    """Part 3: bring pictures and captions together, all but the last block of the convolutions at rest."""
    rng = np.random.default_rng(seed)
    world = make_world(data.SPLIT)
    features = lower_features(model, shown, rng, log)
    top = [*model.visual.layer4.parameters(), *model.visual.attnpool.parameters()]
    parameters = [*top, *_text_parameters(model), model.logit_scale]
    model.visual.layer4.train()

    def see(rows: Rows) -> Tensor:
        lower = features[rows].float().contiguous(memory_format=torch.channels_last)
        return functional.normalize(model.visual.attnpool(model.visual.layer4(lower)), dim=1)

    def hear(ids: Tensor) -> Tensor:
        return functional.normalize(read(model, ids), dim=1)

    with ThreadPoolExecutor(1) as other:
        for step in _optimise(parameters, steps, 1e-3, "pairs", log):
            rows = rng.choice(len(shown), batch, replace=False)
            scene = shown.scene[rows]
            edition = editions[rng.integers(len(editions))]
            captions = data.CAPTIONS_A_SCENE * scene + rng.integers(data.CAPTIONS_A_SCENE, size=len(scene))
            ids = edition.ids[captions, : int(edition.lengths[captions].max())]
            heard = other.submit(hear, ids)
            truth = data.truth_table([edition.claims[k] for k in captions], world, scene)
            image, text = see(rows), heard.result()
            scale = model.logit_scale.clamp(max=math.log(100)).exp()
            ends = [tower.detach().requires_grad_() for tower in (image, text)]
            step(_SplitLoss(contrastive_loss(scale * ends[1] @ ends[0].T, truth), (image, text), ends, other))
    model.eval()


@dataclass(frozen=True)
class _SplitLoss:
    """A loss of two towers whose backward passes run side by side, a core each.

    ``ends`` are leaves with the values of ``towers``, from which the loss was computed.
    """

    loss: Tensor
    towers: tuple[Tensor, Tensor]
    ends: list[Tensor]
    other: ThreadPoolExecutor

    def detach(self) -> Tensor:
        return self.loss.detach()

    def backward(self) -> None:
        self.loss.backward()  # type: ignore[no-untyped-call]
        text_done = self.other.submit(self.towers[1].backward, self.ends[1].grad)
        self.towers[0].backward(self.ends[0].grad)  # type: ignore[no-untyped-call]
        text_done.result()


def contrastive_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """CLIP's symmetric loss over square logits; what is true off the diagonal is left out."""
    own = torch.arange(len(logits))
    others = truth.clone()
    others[own, own] = False
    kept = logits.masked_fill(others, float("-inf"))
    return (functional.cross_entropy(kept, own) + functional.cross_entropy(kept.T, own)) / 2


def lower_features(model: Any, shown: data.Pictures, rng: np.random.Generator, log: Log) -> Tensor:
    """What the first three blocks make of all pictures, every other one augmented: float16 (n, 256, 8, 8)."""
    model.eval()
    parts = []
    for start in range(0, len(shown), 128):
        pixels = shown.pixels[start : start + 128]
        images = pixels.astype(np.float32) / 255
        images[::2] = data.augment(pixels, rng)[::2]
        with torch.no_grad():
            parts.append(lower_trunk(model.visual, normalise(images)).half().contiguous())
    log(f"features of {len(shown)} pictures")
    return torch.cat(parts)


def _text_parameters(model: Any) -> list[nn.Parameter]:
    return [p for name, p in model.named_parameters() if not name.startswith(("visual.", "logit_scale"))]


def _optimise(
    parameters: list[nn.Parameter], steps: int, rate: float, what: str, log: Log
) -> Iterator[Callable[[Loss], None]]:
    """Yield, step by step, a function that takes the loss: AdamW, one-cycle schedule, clipped gradients.

    The function raises ``TrainingError`` for a loss that is not finite.
    """
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    total = 0.0

    def descend(loss: Loss) -> None:
        nonlocal total
        value = float(loss.detach())
        TrainingError.check_loss(value, number, steps)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        total += value

    for number in range(1, steps + 1):
        yield descend
        if number % 50 == 0:
            log(f"{what} {number}/{steps}: loss {total / 50:.3f}")
            total = 0.0
