"""Train a scheduler, or a fusion that it is held against, on a frozen backbone.

Training pairs are embedded once, clean and under the training corruptions, and cached by what they depend on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.files import home
from mafs_bench.mafs.answering import AnswerHead, train_answers
from mafs_bench.mafs.bank import MODES, EmbeddingBank
from mafs_bench.mafs.caption_training import make_captioner, train_captioner
from mafs_bench.mafs.caption_weights import CaptionerWeights, captioner_file, save_captioner
from mafs_bench.mafs.cards import describe_data
from mafs_bench.mafs.catalogue import CAPTIONING, FUSIONS
from mafs_bench.mafs.cross_modal import CrossModalFusion
from mafs_bench.mafs.fusion import ScheduledFusion, WeightedFusion
from mafs_bench.mafs.signals import Prototypes, fit_prototypes
from mafs_bench.mafs.training import Budget, fit_standardise, train_cross_modal, train_fused
from mafs_bench.mafs.weights import FusionWeights, file_name, save, search_path
from mafs_bench.metrics.vqa import soft_accuracy
from mafs_bench.runs.encode import encode_images, encode_texts
from mafs_bench.runs.images import CorruptedImage, ImageJob
from mafs_bench.seeding import stream
from mafs_bench.tasks.base import Pair, caption_pairs, relevant_captions
from mafs_bench.types import SEVERITIES, Corruption, Dataset, ImageSource

SEEN_IMAGE = ("gaussian_noise", "impulse_noise", "defocus_blur", "motion_blur")
SEEN_TEXT = ("keyboard", "char_swap", "char_delete")
"""Training corruptions: families noise, blur and text-char, beside dropout and mismatched pairs. All other
families are unseen."""

TASKS = ("all", "fused-retrieval", "retrieval", "vqa", "captioning")
Arrays = dict[str, Any]

COPIES = 3
PROTOTYPES = 64
BANK = 1000
CAPTION_BATCH = 32
"""Captions a step; the steps are as many as for the other tasks."""


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, in the user's words."""

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
    """Where the weights and their card are."""

    weights: Path
    card: Path

    @classmethod
    def write(cls, weights: Path, card: str) -> Trained:
        """Put the card beside weights that are there."""
        beside = weights.with_suffix(".json")
        beside.write_text(card)
        return cls(weights, beside)


def train_scheduler(request: TrainingRequest, budget: Budget, say: Callable[[str], None]) -> list[Trained]:
    """Train and write ``<fusion>-<backbone>.safetensors`` and the captioner's file, each with its card.

    ``request.task`` "captioning" writes the captioner alone; every other one the fusion's file, which always
    holds its retrieval, and an answer head for "vqa"; "all" whatever the data and the fusion allow. Raises
    ``UnknownNameError``, ``UsageError``, ``DataError`` or ``WeightsError``.
    """
    _check(request)
    dataset = resolve(request.dataset, request.split, request.data_root, request.limit)
    if len(dataset.samples) < 2 * PROTOTYPES:
        raise UsageError(
            f"{dataset.name} has {len(dataset.samples)} training images; at least {2 * PROTOTYPES} needed"
        )
    if request.task == "vqa" and not dataset.answer_vocabulary:
        raise UsageError(f"--task vqa: {dataset.name} has no questions")
    adapter = load(request.backbone, resolve_settings())
    began = time.monotonic()
    bank = embed(adapter, dataset, request.seed, say)
    say(f"embedded in {time.monotonic() - began:.0f} s")
    job = _Job(request, dataset, adapter, bank, budget, say)
    made = [] if request.task == "captioning" else [_train_fusion(job)]
    if request.task == "captioning" or (request.task == "all" and request.fusion in CAPTIONING):
        made.append(_train_captioner(job))
    return made


@dataclass(frozen=True)
class _Job:
    """What there is once a split has been embedded."""

    request: TrainingRequest
    dataset: Dataset
    adapter: Any
    bank: EmbeddingBank
    budget: Budget
    say: Callable[[str], None]

    def file(self, name: str) -> Path:
        return (self.request.out if self.request.out is not None else search_path()[0]) / name


def _train_fusion(job: _Job) -> Trained:
    request, weights, began = job.request, job.adapter.weights, time.monotonic()
    trained, curves = fit(request.fusion, weights, job.bank, job.budget, request.seed)
    if job.dataset.answer_vocabulary and request.task in ("all", "vqa"):
        trained, curves["vqa"] = fit_answers(
            trained, job.adapter, job.dataset, job.budget, request.seed, job.say
        )
    path = job.file(file_name(request.fusion, weights))
    save(trained, path)
    return Trained.write(path, _card(job, curves, time.monotonic() - began))


def _train_captioner(job: _Job) -> Trained:
    request, weights, began = job.request, job.adapter.weights, time.monotonic()
    job = replace(job, budget=replace(job.budget, batch=CAPTION_BATCH))
    captions = [pair.text for pair in caption_pairs(job.dataset)]
    captioner, curve = fit_captioner(request.fusion, weights, job.bank, captions, job.budget, request.seed)
    path = job.file(captioner_file(request.fusion, weights))
    save_captioner(captioner, path)
    return Trained.write(path, _card(job, {"captioning": curve}, time.monotonic() - began))


def _check(request: TrainingRequest) -> None:
    """Raise ``UnknownNameError`` or ``UsageError`` for what cannot be trained."""
    if request.fusion not in FUSIONS:
        raise UnknownNameError("fusion", request.fusion, FUSIONS)
    if request.task not in TASKS:
        raise UnknownNameError("task of a fusion", request.task, TASKS)
    if request.task == "captioning" and request.fusion not in CAPTIONING:
        raise UsageError(
            f"--task captioning: {request.fusion} has no captioner; allowed: {', '.join(CAPTIONING)}"
        )
    if request.task == "retrieval" and not isinstance(FUSIONS[request.fusion](1), ScheduledFusion):
        raise UsageError(
            f"--task retrieval: {request.fusion} fuses queries only; allowed: fused-retrieval, vqa"
        )


def fit_captioner(
    name: str, backbone: str, bank: EmbeddingBank, captions: list[str], budget: Budget, seed: int
) -> tuple[CaptionerWeights, list[float]]:
    """Train a caption decoder with a fusion of its own on the bank's captions; and the loss curve."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = fit_prototypes(bank.images[bank.owner, 0], bank.texts[:, 0], PROTOTYPES, generator)
    torch.manual_seed(seed)  # initial weights only; batches have their own generator
    captioner, words, encoded = make_captioner(FUSIONS[name](bank.images.shape[-1]), prototypes, captions)
    curve = train_captioner(captioner, bank, encoded, budget, seed)
    return CaptionerWeights(name, backbone, captioner.eval(), words), curve


def fit(
    name: str, backbone: str, bank: EmbeddingBank, budget: Budget, seed: int
) -> tuple[FusionWeights, dict[str, list[float]]]:
    """Train one fusion on a bank, for both retrievals where it is MA-AFS; the weights and the loss curves."""
    weights, curve = fit_fused(name, FUSIONS[name], backbone, bank, budget, seed)
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
    """Train one fusion for fused retrieval; the weights and the loss curve."""
    torch.manual_seed(seed)  # initial weights only; batches have their own generator
    generator = torch.Generator().manual_seed(seed)
    prototypes = fit_prototypes(bank.images[bank.owner, 0], bank.texts[:, 0], PROTOTYPES, generator)
    fused = make(bank.images.shape[-1])
    if isinstance(fused, ScheduledFusion):
        fit_standardise(fused.scheduler.standardise, prototypes, bank)
    curve = train_fused(fused, prototypes, bank, budget, seed)
    prior = torch.nn.functional.normalize(bank.texts[:, 0].mean(0), dim=0)
    return FusionWeights(name, backbone, prototypes, fused.eval(), None, prior), curve


def fit_answers(
    trained: FusionWeights,
    adapter: Any,
    dataset: Dataset,
    budget: Budget,
    seed: int,
    say: Callable[[str], None],
) -> tuple[FusionWeights, list[float]]:
    """Add an answer head, trained on the split's questions with a fusion of its own; and the loss curve."""
    asked, targets = embed_questions(adapter, dataset, seed, say)
    head, curve = fit_head(FUSIONS[trained.fusion], trained.prototypes, asked, targets, budget, seed)
    return replace(trained, head=head, answers=dataset.answer_vocabulary), curve


def fit_head(
    make: Callable[[int], WeightedFusion],
    prototypes: Prototypes,
    asked: EmbeddingBank,
    targets: torch.Tensor,
    budget: Budget,
    seed: int,
) -> tuple[AnswerHead, list[float]]:
    """Train one answer head on embedded questions; the head and the loss curve."""
    torch.manual_seed(seed)
    dim = asked.images.shape[-1]
    fusion = make(dim)
    if isinstance(fusion, ScheduledFusion):
        fit_standardise(fusion.scheduler.standardise, prototypes, asked)
    head = AnswerHead(fusion, dim, targets.shape[1])
    curve = train_answers(head, prototypes, asked, targets, budget, seed)
    return head.eval(), curve


def embed_questions(
    adapter: Any, dataset: Dataset, seed: int, say: Callable[[str], None]
) -> tuple[EmbeddingBank, torch.Tensor]:
    """A bank whose texts are the questions, and the soft accuracy of every answer to each, (m, answers)."""
    images = embed(adapter, dataset, seed, say).images
    pairs = [Pair(q.id, i, q.text) for i, sample in enumerate(dataset.samples) for q in sample.questions]
    suite = suites.load("core@1")
    seen = [suite.corruptions[name] for name in SEEN_TEXT]
    cache = _cache_file("questions", adapter.weights, dataset, suite.digest, seed)
    arrays = _computed_once(cache, lambda: _embed_texts(adapter, pairs, seen, seed), say)
    tokens = {n.partition(".")[2]: torch.from_numpy(x) for n, x in arrays.items() if n.startswith("tokens.")}
    owner = torch.tensor([pair.sample for pair in pairs])
    true_of = owner[None] == torch.arange(len(images))[:, None]
    humans = [q.answers for sample in dataset.samples for q in sample.questions]
    targets = torch.zeros(len(pairs), len(dataset.answer_vocabulary))
    index = {answer: k for k, answer in enumerate(dataset.answer_vocabulary)}
    for row, answers in enumerate(humans):
        for answer in set(answers) & index.keys():
            targets[row, index[answer]] = soft_accuracy(answer, answers)
    bank = EmbeddingBank(images, torch.from_numpy(arrays["texts"]), tokens, owner, true_of)
    return bank, targets


def _cross_modal(names: Sequence[str], bank: EmbeddingBank, budget: Budget, seed: int) -> CrossModalFusion:
    """An untrained fusion of evidences with banks drawn from the training pairs."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    n = min(BANK, len(bank.images))
    cross = CrossModalFusion(bank.images.shape[-1], n, names)
    cross.image_bank.copy_(bank.images[torch.randperm(len(bank.images), generator=generator)[:n], 0])
    cross.text_bank.copy_(bank.texts[torch.randperm(len(bank.texts), generator=generator)[:n], 0])
    cross.tau.fill_(budget.tau)
    return cross


def embed(adapter: Any, dataset: Dataset, seed: int, say: Callable[[str], None]) -> EmbeddingBank:
    """Embed a training split, clean and corrupted; found in the cache where it was done before."""
    suite = suites.load("core@1")
    image_corruptions = [suite.corruptions[name] for name in SEEN_IMAGE]
    text_corruptions = [suite.corruptions[name] for name in SEEN_TEXT]

    def make() -> Arrays:
        images = _embed_images(adapter, dataset, image_corruptions, seed)
        return {"images": images} | _embed_texts(adapter, caption_pairs(dataset), text_corruptions, seed)

    return _bank(
        dataset, _computed_once(_cache_file("bank", adapter.weights, dataset, suite.digest, seed), make, say)
    )


def _computed_once(cache: Path, make: Callable[[], Arrays], say: Callable[[str], None]) -> Arrays:
    """What ``make`` gives, from the cache where it was made before."""
    if cache.is_file():
        say(f"embeddings found in {cache}")
        return dict(np.load(cache, allow_pickle=False))
    arrays = make()
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_suffix(".tmp.npz").open("wb") as file:
        np.savez(file, **arrays)
    cache.with_suffix(".tmp.npz").replace(cache)
    return arrays


def embed_clean(adapter: Any, dataset: Dataset) -> EmbeddingBank:
    """Embed a split as it is: a bank without corrupted copies."""
    arrays = {"images": _embed_images(adapter, dataset, (), 0, copies=0)}
    return _bank(dataset, arrays | _embed_texts(adapter, caption_pairs(dataset), (), 0, copies=0))


def _cache_file(what: str, weights: str, dataset: Dataset, suite: str, seed: int) -> Path:
    seen = (SEEN_IMAGE, SEEN_TEXT, COPIES)
    parts = (weights, dataset.name, dataset.split, dataset.revision, len(dataset.samples), suite, seed, seen)
    return home() / "cache" / f"{what}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}.npz"


def _bank(dataset: Dataset, arrays: dict[str, Any]) -> EmbeddingBank:
    pairs = caption_pairs(dataset)
    true_of = torch.zeros(len(dataset.samples), len(pairs), dtype=torch.bool)
    for k, relevant in enumerate(relevant_captions(dataset)):
        true_of[torch.from_numpy(relevant), k] = True
    tokens = {n.partition(".")[2]: torch.from_numpy(x) for n, x in arrays.items() if n.startswith("tokens.")}
    owner = torch.tensor([pair.sample for pair in pairs])
    images, texts = torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["texts"])
    return EmbeddingBank(images, texts, tokens, owner, true_of)


def _draw(corruptions: Sequence[Corruption], seed: int, sample_id: str, copy: int) -> tuple[Corruption, int]:
    """A training corruption and severity for one copy of a sample."""
    rng = stream(seed, "training", f"copy {copy}", sample_id)
    return corruptions[int(rng.integers(len(corruptions)))], int(rng.choice(SEVERITIES))


def _embed_images(
    adapter: Any, dataset: Dataset, corruptions: Sequence[Corruption], seed: int, copies: int = COPIES
) -> np.ndarray[Any, Any]:
    """float32 (n, 1 + copies, d): clean, then one random corruption and severity a copy."""
    sources: list[ImageSource] = []
    for sample in dataset.samples:
        sources.append(sample.image)
        for copy in range(copies):
            corruption, severity = _draw(corruptions, seed, sample.id, copy)
            sources.append(CorruptedImage(sample.image, corruption, severity, seed, sample.id, sample.boxes))
    job = ImageJob(sources, [source.name for source in sources], None, (0,), seed)
    vectors = encode_images(adapter, job, batch_size=64, workers=1)[0].embeddings.vectors
    return vectors.reshape(-1, 1 + copies, vectors.shape[1])


def _embed_texts(
    adapter: Any, pairs: Sequence[Pair], corruptions: Sequence[Corruption], seed: int, copies: int = COPIES
) -> dict[str, np.ndarray[Any, Any]]:
    """``texts`` float32 (m, 1 + copies, d) and ``tokens.<signal>`` float32 (m, 1 + copies)."""
    texts: list[str] = []
    for pair in pairs:
        texts.append(pair.text)
        for copy in range(copies):
            corruption, severity = _draw(corruptions, seed, pair.id, copy)
            made = corrupt_text(pair.text, corruption, (severity,), seed=seed, sample_id=pair.id)[0]
            texts.append(pair.text if made is None else made)
    encoded = encode_texts(adapter, texts)
    shape = (-1, 1 + copies)
    tokens = {f"tokens.{name}": values.reshape(shape) for name, values in encoded.signals.items()}
    return {"texts": encoded.vectors.reshape(*shape, encoded.vectors.shape[1]), **tokens}


def _card(job: _Job, curves: dict[str, list[float]], seconds: float) -> str:
    """What the weights were made from: data, corruptions seen, seed, time, loss curves."""
    request, dataset, adapter, budget = job.request, job.dataset, job.adapter, job.budget
    command = (
        f"mafs-bench train scheduler --backbone {request.backbone} --fusion {request.fusion} "
        f"--dataset {request.dataset} --split {request.split} --seed {request.seed} --steps {budget.steps}"
    )
    command += f" --task {request.task}" if request.task != "all" else ""
    card = {
        "method": "a reconstruction of MA-AFS from the public abstract of arXiv 2506.12733"
        if request.fusion.startswith("mafs")
        else f"fusion baseline {request.fusion}",
        "command": command + (f" --limit {request.limit}" if request.limit else ""),
        "backbone": {"spec": request.backbone, "weights": adapter.weights},
        "data": describe_data(dataset),
        "corruptions_seen": {"image": SEEN_IMAGE, "text": SEEN_TEXT, "pairs": MODES},
        "budget": asdict(budget),
        "seed": request.seed,
        "seconds": round(seconds),
        "loss": {task: [round(x, 4) for x in c[:: max(1, len(c) // 50)]] for task, c in curves.items()},
    }
    return json.dumps(card, indent=1) + "\n"
