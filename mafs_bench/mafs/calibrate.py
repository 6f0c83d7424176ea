"""Transfer a trained scheduler to another backbone: prototypes and statistics from unlabelled pairs, no gradients.

A scheduler reads a few standardised scalars, so it can be used with any backbone for which these are known. The parts
that depend on a backbone's dimensions cannot be transferred and are fitted here in closed form:
  prototypes, temperatures, standardisation   from the pairs, as in training
  W_v, W_t    the identity, or the ridge regression of image on text vectors and the identity
  balance     added to the image's logit and subtracted from the text's: how informative each modality is depends on
              the data, and no signal contains it
  the banks of cross-modal retrieval, and the prior
W_v, W_t and the balance are chosen by retrieval of the other captions of held-out pairs. With one caption per image,
the pair's own text is ranked by its image, and the balance is left as trained.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mafs_bench.adapters.base import Adapter
from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.mafs.backbone import probe_encoder, require_dual_encoder
from mafs_bench.mafs.bank import EmbeddingBank
from mafs_bench.mafs.cards import check_output, command_line, describe_data
from mafs_bench.mafs.catalogue import get_fusion
from mafs_bench.mafs.cross_modal import CrossModalFusion
from mafs_bench.mafs.embedding import embed_clean, require_one_space
from mafs_bench.mafs.fusion import FusionInput, ScheduledFusion
from mafs_bench.mafs.scheduler import Scheduler
from mafs_bench.mafs.signals import Prototypes, fit_prototypes, pair_signals
from mafs_bench.mafs.train_fusion import BANK, PROTOTYPES, Trained
from mafs_bench.mafs.training import fit_standardise
from mafs_bench.mafs.weights import FusionWeights, file_name, save, search_path
from mafs_bench.mafs.weights import load as load_fusion
from mafs_bench.types import Dataset, TrainingData

HELD_OUT = 5
"""One image in this many is held out to choose W_v and W_t."""
BALANCES = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, 1.5, -2.0, 2.0)
"""Candidate balances, smallest first: among equally good ones the first is taken."""
_SOURCE_BACKBONE = "clip"
"""The backbone on which the bundled schedulers were trained."""
_RIDGE = 0.1
"""Ridge penalty, relative to the mean variance of the entries of image vectors."""


@dataclass(frozen=True)
class CalibrationRequest:
    """What to calibrate, as the user gave it. ``scheduler`` None: the bundled scheduler for ``fusion``."""

    backbone: str
    dataset: str
    split: str = "val"
    data_root: Path | None = None
    pairs: int | None = None
    scheduler: Path | None = None
    fusion: str = "mafs"
    seed: int = 0
    out: Path | None = None


def calibrate(request: CalibrationRequest, log: Callable[[str], None]) -> Trained:
    """Write a fusion file for the backbone, with its card. Raises ``UsageError``, ``DataError``, ``WeightsError``."""
    began = time.monotonic()
    require_dual_encoder(request.backbone, "be calibrated")
    source_file = request.scheduler or bundled_scheduler(request.fusion)
    source = load_fusion(source_file)
    if not isinstance(source.fused, ScheduledFusion) or source.cross is None:
        raise UsageError(f"{source_file} contains {source.fusion!r}, which has no scheduler to transfer")
    dataset = resolve(request.dataset, request.split, request.data_root, request.pairs)
    if len(dataset.samples) < 2 * PROTOTYPES:
        raise UsageError(
            f"{dataset.name} has {len(dataset.samples)} images; at least {2 * PROTOTYPES} needed"
        )
    if bare := sum(not sample.captions for sample in dataset.samples):
        raise UsageError(f"{dataset.name}: {bare:,} of {len(dataset.samples):,} images have no text")
    folder = search_path()[0] if request.out is None else request.out
    check_output(folder)
    settings = resolve_settings()
    adapter = load(request.backbone, settings)
    require_one_space(adapter, dataset)
    bank = embed_clean(adapter, dataset)
    log(f"embedded {len(bank.images)} images and {len(bank.texts)} texts in {time.monotonic() - began:.0f} s")
    weights, chosen = transfer(source, adapter.weights, bank, request.seed)
    log(f"W_v, W_t: {chosen.describe()}")
    path = folder / file_name(weights.fusion, adapter.weights)
    data = tuple(dict.fromkeys((*source.data, TrainingData.of(dataset))))
    save(replace(weights, probe=probe_encoder(adapter, settings.precision).to_table(), data=data), path)
    card = _card(request, source, dataset, adapter, chosen, time.monotonic() - began)
    return Trained.write(path, card)


def bundled_scheduler(fusion: str) -> Path:
    """The bundled file for a fusion, trained on the bundled CLIP. Raises ``WeightsError``."""
    for card in sorted(search_path()[1].glob(f"{fusion}-*.json")):
        if json.loads(card.read_text(encoding="utf-8"))["backbone"]["spec"] == _SOURCE_BACKBONE:
            return card.with_suffix(".safetensors")
    raise WeightsError(f"no {fusion!r} scheduler is bundled; give one with --scheduler FILE")


@dataclass(frozen=True)
class Chosen:
    """The chosen W_v, W_t and balance, and the held-out R@1 of each candidate at its best balance."""

    projections: str
    balance: float
    scores: dict[str, float]

    def describe(self) -> str:
        """What was chosen, and the candidates with their scores."""
        scores = ", ".join(f"{name} {score:.3f}" for name, score in self.scores.items())
        return f"{self.projections}, balance {self.balance:+.1f} (held-out R@1 {scores})"


def transfer(
    source: FusionWeights, backbone: str, bank: EmbeddingBank, seed: int
) -> tuple[FusionWeights, Chosen]:
    """Transfer the schedulers of a trained fusion to the backbone of ``bank``; every fit is in closed form.

    Raises ``UsageError`` if the backbone does not provide a signal that a scheduler reads.
    """
    dim = bank.images.shape[-1]
    generator = torch.Generator().manual_seed(seed)
    v, t = bank.images[bank.owner, 0], bank.texts[:, 0]
    prototypes = fit_prototypes(v, t, PROTOTYPES, generator)
    assert isinstance(source.fused, ScheduledFusion)
    assert source.cross is not None
    fused = get_fusion(source.fusion).make(dim)
    assert isinstance(fused, ScheduledFusion)
    fused.scheduler = _standardised(source.fused.scheduler, prototypes, bank)
    chosen = _choose(fused, prototypes, bank)
    cross = CrossModalFusion(dim, min(BANK, len(bank.images)), fused.scheduler.standardise.names)
    n = len(cross.image_bank)
    cross.image_bank.copy_(bank.images[torch.randperm(len(bank.images), generator=generator)[:n], 0])
    cross.text_bank.copy_(bank.texts[torch.randperm(len(bank.texts), generator=generator)[:n], 0])
    cross.tau.copy_(source.cross.tau)
    cross.scheduler = _standardised(source.cross.scheduler, prototypes, bank)
    prior = torch.nn.functional.normalize(t.mean(0), dim=0)
    return FusionWeights(source.fusion, backbone, prototypes, fused.eval(), cross.eval(), prior), chosen


def _standardised(scheduler: Scheduler, prototypes: Prototypes, bank: EmbeddingBank) -> Scheduler:
    """A copy of the scheduler with the mean and deviation of this backbone's signals."""
    copy = deepcopy(scheduler)
    fit_standardise(copy.standardise, prototypes, bank)
    return copy


@torch.no_grad()
def _choose(fusion: ScheduledFusion, prototypes: Prototypes, bank: EmbeddingBank) -> Chosen:
    """Choose W_v, W_t and the balance on held-out pairs; a regression is then refitted to all pairs."""
    held_out = torch.arange(len(bank.images)) % HELD_OUT == 0
    several = len(bank.texts) > len(bank.images)
    bias: Tensor = fusion.scheduler.body[-1].bias  # type: ignore[assignment]
    trained, towards_image = bias.clone(), torch.tensor([1.0, -1.0])
    recalls = {}
    for name, fit in _PROJECTIONS.items():
        fusion.image.weight.copy_(fit(bank, ~held_out))
        for balance in BALANCES if several else (0.0,):
            bias.copy_(trained + balance * towards_image)
            recalls[name, balance] = _held_out_recall(fusion, prototypes, bank, held_out)
    best, balance = max(recalls, key=lambda candidate: recalls[candidate])
    fusion.image.weight.copy_(_PROJECTIONS[best](bank, torch.ones_like(held_out)))
    bias.copy_(trained + balance * towards_image)
    scores = {name: max(r for (of, _), r in recalls.items() if of == name) for name in _PROJECTIONS}
    return Chosen(best, balance, scores)


def _identity(bank: EmbeddingBank, kept: Tensor) -> Tensor:
    return torch.eye(bank.images.shape[-1])


def _regression(bank: EmbeddingBank, kept: Tensor) -> Tensor:
    """W (d, d) that minimises Σ |W v - t|² + ridge over the kept images and the mean of their texts."""
    sums = torch.zeros_like(bank.images[:, 0]).index_add_(0, bank.owner, bank.texts[:, 0])
    v, t = bank.images[kept, 0].double(), torch.nn.functional.normalize(sums[kept], dim=-1).double()
    gram = v.T @ v
    penalty = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    solved: Tensor = torch.linalg.solve(gram + penalty, v.T @ t)
    return solved.T.float()


_PROJECTIONS: dict[str, Callable[[EmbeddingBank, Tensor], Tensor]] = {
    "identity": _identity,
    "regression": _regression,
}


def _held_out_recall(
    fusion: ScheduledFusion, prototypes: Prototypes, bank: EmbeddingBank, held_out: Tensor
) -> float:
    """Fused retrieval R@1 of the held-out pairs among the held-out texts.

    With one caption per image the query is the image only, and the target is its caption.
    """
    texts = torch.nonzero(held_out[bank.owner]).flatten()
    owner = bank.owner[texts]
    v, t = bank.images[owner, 0], bank.texts[texts, 0]
    tokens = {name: values[texts, 0] for name, values in bank.tokens.items()}
    several = bool((torch.bincount(owner) > 1).any())
    present = torch.tensor([[1.0, float(several)]]).repeat(len(texts), 1)
    z, _ = fusion(FusionInput(v, t, pair_signals(prototypes, v, t, tokens), present))
    scores = z @ t.T
    if several:
        scores.fill_diagonal_(-torch.inf)
    return float((owner[scores.argmax(1)] == owner).float().mean())


def _card(
    request: CalibrationRequest,
    source: FusionWeights,
    dataset: Dataset,
    adapter: Adapter,
    chosen: Chosen,
    seconds: float,
) -> str:
    """The card: where the scheduler comes from, and what it was calibrated on."""
    options = {
        "backbone": request.backbone,
        "dataset": request.dataset,
        "split": request.split,
        "data-root": request.data_root,
        "pairs": request.pairs,
        "scheduler": request.scheduler,
        "fusion": None if request.scheduler else request.fusion,
        "seed": request.seed,
        "out": request.out,
    }
    card = {
        "method": "a reconstruction of MA-AFS from the public abstract of arXiv 2506.12733; scheduler calibrated, "
        "not trained, for this backbone",
        "command": command_line("calibrate", options),
        "backbone": {"spec": request.backbone, "weights": adapter.weights},
        "scheduler": {"fusion": source.fusion, "backbone": source.backbone, "file_sha256": source.digest},
        "data": describe_data(dataset),
        "projections": {"chosen": chosen.projections, "held_out_r1": chosen.scores},
        "balance": chosen.balance,
        "seed": request.seed,
        "seconds": round(seconds),
    }
    return json.dumps(card, indent=1) + "\n"
