"""Train a scheduler, or a baseline fusion, on a frozen backbone.

Invalid requests are refused before anything is embedded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from mafs_bench.adapters.base import Adapter
from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.probe import Probe
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UnknownNameError, UsageError, WeightsError
from mafs_bench.files import write_text
from mafs_bench.mafs.answering import AnswerHead, train_answers
from mafs_bench.mafs.backbone import probe_encoder, require_dual_encoder
from mafs_bench.mafs.bank import MODES, EmbeddingBank
from mafs_bench.mafs.caption_training import make_captioner, train_captioner
from mafs_bench.mafs.caption_weights import CaptionerWeights, captioner_file, save_captioner
from mafs_bench.mafs.cards import check_output, command_line, describe_data
from mafs_bench.mafs.catalogue import captioning_fusions, fusion_names, get_fusion
from mafs_bench.mafs.cross_modal import CrossModalFusion
from mafs_bench.mafs.embedding import (
    SEEN_IMAGE,
    SEEN_TEXT,
    embed,
    embed_questions,
    require_one_space,
)
from mafs_bench.mafs.fusion import ScheduledFusion, WeightedFusion
from mafs_bench.mafs.signals import Prototypes, fit_prototypes
from mafs_bench.mafs.training import Budget, fit_standardise, train_cross_modal, train_fused
from mafs_bench.mafs.weights import FusionWeights, file_name, save, search_path
from mafs_bench.tasks.base import caption_pairs
from mafs_bench.types import Dataset, TrainingData

TASKS = ("all", "fused-retrieval", "retrieval", "vqa", "captioning")
PROTOTYPES = 64
BANK = 1000
CAPTION_BATCH = 32
"""Captions per step; the number of steps is that of the other tasks."""


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, as the user gave it."""

    backbone: str = "clip"
    fusion: str = "mafs"
    dataset: str = "scenes"
    split: str = "val"
    data_root: Path | None = None
    limit: int | None = None
    seed: int = 0
    out: Path | None = None
    task: str = "all"


@dataclass(frozen=True)
class Trained:
    """The files of the weights and of their card."""

    weights: Path
    card: Path

    @classmethod
    def write(cls, weights: Path, card: str) -> Trained:
        """Write the card next to existing weights. Raises ``WeightsError``."""
        beside = weights.with_suffix(".json")
        try:
            write_text(beside, card)
        except OSError as error:
            raise WeightsError(f"cannot write {beside}: {error.strerror}") from error
        return cls(weights, beside)


def train_scheduler(request: TrainingRequest, budget: Budget, log: Callable[[str], None]) -> list[Trained]:
    """Train and write ``<fusion>-<backbone>.safetensors`` and the captioner's file, each with its card.

    ``request.task`` "captioning" writes the captioner only. Every other task writes the fusion's file, which always
    contains retrieval, and for "vqa" an answer head; "all" trains everything that the data and the fusion allow.
    Raises ``UnknownNameError``, ``UsageError``, ``DataError`` or ``WeightsError`` before anything is embedded, and
    ``TrainingError`` if a loss is not finite.
    """
    _check(request)
    require_dual_encoder(request.backbone, "be trained on")
    folder = search_path()[0] if request.out is None else request.out
    check_output(folder)
    dataset = resolve(request.dataset, request.split, request.data_root, request.limit)
    _check_data(request, dataset)
    settings = resolve_settings()
    adapter = load(request.backbone, settings)
    require_one_space(adapter, dataset)
    began = time.monotonic()
    probe = probe_encoder(adapter, settings.precision)
    bank = embed(adapter, probe, dataset, request.seed, log)
    log(f"embedded in {time.monotonic() - began:.0f} s")
    job = _Job(request, folder, dataset, adapter, probe, bank, budget, log)
    written = [] if request.task == "captioning" else [_train_fusion(job)]
    if request.task == "captioning" or (
        request.task == "all" and get_fusion(request.fusion).captioner == request.fusion
    ):
        written.append(_train_captioner(job))
    own, bundled = search_path()
    for trained in written:
        if folder == own and (bundled / trained.weights.name).is_file():
            log(
                f"{trained.weights} now replaces the bundled weights; delete it to use the bundled ones again"
            )
    return written


@dataclass(frozen=True)
class _Job:
    """A request with its embedded split."""

    request: TrainingRequest
    folder: Path
    dataset: Dataset
    adapter: Adapter
    probe: Probe
    bank: EmbeddingBank
    budget: Budget
    log: Callable[[str], None]


def _train_fusion(job: _Job) -> Trained:
    request, weights, began = job.request, job.adapter.weights, time.monotonic()
    trained, curves = fit(request.fusion, weights, job.bank, job.budget, request.seed)
    if job.dataset.answer_vocabulary and request.task in ("all", "vqa"):
        asked = embed_questions(job.adapter, job.probe, job.dataset, request.seed, job.log)
        head, curves["vqa"] = fit_head(
            get_fusion(request.fusion).make, trained.prototypes, *asked, job.budget, request.seed
        )
        trained = replace(trained, head=head, answers=job.dataset.answer_vocabulary)
    path = job.folder / file_name(request.fusion, weights)
    save(replace(trained, probe=job.probe.to_table(), data=(TrainingData.of(job.dataset),)), path)
    return Trained.write(path, _card(job, curves, time.monotonic() - began))


def _train_captioner(job: _Job) -> Trained:
    request, weights, began = job.request, job.adapter.weights, time.monotonic()
    job = replace(job, budget=replace(job.budget, batch=CAPTION_BATCH))
    captions = [pair.text for pair in caption_pairs(job.dataset)]
    captioner, curve = fit_captioner(request.fusion, weights, job.bank, captions, job.budget, request.seed)
    path = job.folder / captioner_file(request.fusion, weights)
    save_captioner(replace(captioner, probe=job.probe.to_table(), data=(TrainingData.of(job.dataset),)), path)
    return Trained.write(path, _card(job, {"captioning": curve}, time.monotonic() - began))


def _check(request: TrainingRequest) -> None:
    """Raise ``UnknownNameError`` or ``UsageError`` for a request that cannot be trained."""
    if request.fusion not in fusion_names():
        raise UnknownNameError("fusion", request.fusion, fusion_names())
    if request.task not in TASKS:
        raise UnknownNameError("task of a fusion", request.task, TASKS)
    if request.task == "captioning" and get_fusion(request.fusion).captioner != request.fusion:
        raise UsageError(
            f"--task captioning: {request.fusion} has no captioner; allowed: {', '.join(captioning_fusions())}"
        )
    if request.task == "retrieval" and not isinstance(get_fusion(request.fusion).make(1), ScheduledFusion):
        raise UsageError(
            f"--task retrieval: {request.fusion} fuses queries only; allowed: fused-retrieval, vqa"
        )


def _check_data(request: TrainingRequest, dataset: Dataset) -> None:
    """Raise ``UsageError`` for a split without usable training data."""
    require_pairs(dataset, several=request.task != "captioning")
    if request.task == "vqa" and not dataset.answer_vocabulary:
        raise UsageError(f"--task vqa: {dataset.name} has no questions")


def require_pairs(dataset: Dataset, *, several: bool) -> None:
    """Raise ``UsageError`` if too few images have captions, or several captions with ``several``."""
    n = len(dataset.samples)
    if n < 2 * PROTOTYPES:
        raise UsageError(f"{dataset.name} has {n} training images; at least {2 * PROTOTYPES} needed")
    if bare := sum(not sample.captions for sample in dataset.samples):
        raise UsageError(f"{dataset.name}: {bare:,} of {n:,} images have no caption to train on")
    with_several = sum(len(sample.captions) > 1 for sample in dataset.samples)
    if several and with_several < 2 * PROTOTYPES:
        raise UsageError(
            f"{dataset.name}: {with_several:,} of {n:,} images have two captions or more, {2 * PROTOTYPES} needed: a "
            "query is trained to find another caption of its image (mafs-bench calibrate needs only one)"
        )


def fit_captioner(
    name: str, backbone: str, bank: EmbeddingBank, captions: list[str], budget: Budget, seed: int
) -> tuple[CaptionerWeights, list[float]]:
    """Train a caption decoder with its own fusion on the bank's captions; returns it and the loss curve."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = fit_prototypes(bank.images[bank.owner, 0], bank.texts[:, 0], PROTOTYPES, generator)
    torch.manual_seed(seed)  # initial weights only; batches have their own generator
    captioner, vocabulary, encoded = make_captioner(
        get_fusion(name).make(bank.images.shape[-1]), prototypes, captions
    )
    curve = train_captioner(captioner, bank, encoded, budget, seed)
    return CaptionerWeights(name, backbone, captioner.eval(), vocabulary), curve


def fit(
    name: str, backbone: str, bank: EmbeddingBank, budget: Budget, seed: int
) -> tuple[FusionWeights, dict[str, list[float]]]:
    """Train one fusion on a bank (MA-AFS: for both kinds of retrieval); returns the weights and the loss curves."""
    weights, curve = fit_fused(name, get_fusion(name).make, backbone, bank, budget, seed)
    curves = {"fused-retrieval": curve}
    if isinstance(weights.fused, ScheduledFusion):
        cross = _cross_modal(weights.fused.scheduler.standardise.names, bank, budget, seed)
        fit_standardise(cross.scheduler.standardise, weights.prototypes, bank)
        curves["retrieval"] = train_cross_modal(cross, weights.prototypes, bank, budget, seed)
        weights = replace(weights, cross=cross)
    return weights, curves


def fit_fused(
    name: str,
    make: Callable[[int], WeightedFusion],
    backbone: str,
    bank: EmbeddingBank,
    budget: Budget,
    seed: int,
) -> tuple[FusionWeights, list[float]]:
    """Train one fusion for fused retrieval; returns the weights and the loss curve."""
    torch.manual_seed(seed)  # initial weights only; batches have their own generator
    generator = torch.Generator().manual_seed(seed)
    prototypes = fit_prototypes(bank.images[bank.owner, 0], bank.texts[:, 0], PROTOTYPES, generator)
    fused = make(bank.images.shape[-1])
    if isinstance(fused, ScheduledFusion):
        fit_standardise(fused.scheduler.standardise, prototypes, bank)
    curve = train_fused(fused, prototypes, bank, budget, seed)
    prior = torch.nn.functional.normalize(bank.texts[:, 0].mean(0), dim=0)
    return FusionWeights(name, backbone, prototypes, fused.eval(), None, prior), curve


def fit_head(
    make: Callable[[int], WeightedFusion],
    prototypes: Prototypes,
    asked: EmbeddingBank,
    targets: torch.Tensor,
    budget: Budget,
    seed: int,
) -> tuple[AnswerHead, list[float]]:
    """Train one answer head on embedded questions; returns the head and the loss curve."""
    torch.manual_seed(seed)
    dim = asked.images.shape[-1]
    fusion = make(dim)
    if isinstance(fusion, ScheduledFusion):
        fit_standardise(fusion.scheduler.standardise, prototypes, asked)
    head = AnswerHead(fusion, dim, targets.shape[1])
    curve = train_answers(head, prototypes, asked, targets, budget, seed)
    return head.eval(), curve


def _cross_modal(names: Sequence[str], bank: EmbeddingBank, budget: Budget, seed: int) -> CrossModalFusion:
    """An untrained cross-modal fusion with banks drawn from the training pairs."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    n = min(BANK, len(bank.images))
    cross = CrossModalFusion(bank.images.shape[-1], n, names)
    cross.image_bank.copy_(bank.images[torch.randperm(len(bank.images), generator=generator)[:n], 0])
    cross.text_bank.copy_(bank.texts[torch.randperm(len(bank.texts), generator=generator)[:n], 0])
    cross.tau.fill_(budget.tau)
    return cross


def _card(job: _Job, curves: dict[str, list[float]], seconds: float) -> str:
    """The card: data, training corruptions, seed, time, loss curves."""
    request, dataset, adapter, budget = job.request, job.dataset, job.adapter, job.budget
    options = {
        "backbone": request.backbone,
        "fusion": request.fusion,
        "dataset": request.dataset,
        "split": request.split,
        "data-root": request.data_root,
        "task": None if request.task == "all" else request.task,
        "limit": request.limit,
        "seed": request.seed,
        "steps": budget.steps,
        "out": request.out,
    }
    card = {
        "method": "a reconstruction of MA-AFS from the public abstract of arXiv 2506.12733"
        if request.fusion.startswith("mafs")
        else f"fusion baseline {request.fusion}",
        "command": command_line("train scheduler", options),
        "backbone": {"spec": request.backbone, "weights": adapter.weights},
        "data": describe_data(dataset),
        "corruptions_seen": {"image": SEEN_IMAGE, "text": SEEN_TEXT, "pairs": MODES},
        "budget": asdict(budget),
        "seed": request.seed,
        "seconds": round(seconds),
        "loss": {task: [round(x, 4) for x in c[:: max(1, len(c) // 50)]] for task, c in curves.items()},
    }
    return json.dumps(card, indent=1) + "\n"
