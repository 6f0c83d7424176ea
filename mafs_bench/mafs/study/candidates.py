"""Fusions under study: trained once and kept on disk; the oracle is given the condition."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.adapters.clip import Clip
from mafs_bench.adapters.probe import Probe
from mafs_bench.adapters.vectors import as_embeddings
from mafs_bench.errors import StoreError
from mafs_bench.files import replacing
from mafs_bench.mafs.answering import AnswerHead
from mafs_bench.mafs.bank import EmbeddingBank
from mafs_bench.mafs.embedding import embed, embed_questions
from mafs_bench.mafs.fused_adapter import FusedBackbone
from mafs_bench.mafs.fusion import FusionInput
from mafs_bench.mafs.signals import Prototypes
from mafs_bench.mafs.study.variants import Variant, variants
from mafs_bench.mafs.train_fusion import fit_fused, fit_head
from mafs_bench.mafs.training import Budget
from mafs_bench.mafs.weights import FusionWeights
from mafs_bench.runs.view import ConditionView
from mafs_bench.tasks.base import Pair, PairEmbeddings
from mafs_bench.types import Dataset


class Candidate(FusedBackbone):
    """A fusion under study on a loaded backbone.

    corrupted, mismatched: what the oracle knows about the condition; mismatched: bool (n,) per pair, if any are.
    """

    def __init__(self, backbone: Adapter, weights: FusionWeights) -> None:
        super().__init__(weights.fusion, backbone, weights)
        self.fused = weights.fused
        self.corrupted: tuple[float, float] = (0.0, 0.0)
        self.mismatched: np.ndarray[Any, Any] | None = None

    @property
    def answers_questions(self) -> bool:
        """Whether an answer head was trained for it."""
        return self._fusion.head is not None

    def _pairs(self, images: Embeddings, texts: Embeddings) -> FusionInput:
        """The pairs, with the corrupted modality for the oracle; every other fusion ignores it."""
        pairs = super()._pairs(images, texts)
        corrupted = torch.tensor(self.corrupted).repeat(len(images), 1)
        if self.mismatched is not None:
            corrupted[torch.from_numpy(self.mismatched)] = 1.0
        return replace(pairs, corrupted=corrupted)


@dataclass
class SharedView:
    """A view whose pairs are embedded once for all candidates, and which knows the mismatched pairs."""

    view: ConditionView
    _embedded: dict[int, PairEmbeddings] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)

    def pair_embeddings(self, pairs: Sequence[Pair]) -> PairEmbeddings:
        """The embeddings of the view, computed once; a task passes the same pairs each time."""
        if len(pairs) not in self._embedded:
            self._embedded = {len(pairs): self.view.pair_embeddings(pairs)}
        return self._embedded[len(pairs)]

    def mismatched(self, pairs: Sequence[Pair]) -> np.ndarray[Any, Any]:
        """bool (n,): pairs whose image is another's."""
        return np.asarray(self.pair_embeddings(pairs).image_from != np.arange(len(pairs)))


@dataclass(frozen=True)
class TrainingSet:
    """Embedded training pairs, and questions with their soft targets if the data set has questions."""

    bank: EmbeddingBank
    questions: EmbeddingBank | None
    targets: Tensor | None
    answers: tuple[str, ...]

    @classmethod
    def of(cls, backbone: Adapter, probe: Probe, dataset: Dataset, log: Callable[[str], None]) -> TrainingSet:
        """Embed a training split, or read it from the cache; ``probe`` is the backbone's."""
        bank = embed(backbone, probe, dataset, 0, log)
        if not dataset.answer_vocabulary:
            return cls(bank, None, None, ())
        questions, targets = embed_questions(backbone, probe, dataset, 0, log)
        return cls(bank, questions, targets, dataset.answer_vocabulary)


def train_candidates(
    data: TrainingSet, backbone: Adapter, budget: Budget, seeds: int, folder: Path, log: Callable[[str], None]
) -> dict[str, Candidate]:
    """Every variant for every seed, by ``<variant>#<seed>``; weights are stored in ``folder``."""
    candidates: dict[str, Candidate] = {}
    for seed in range(seeds):
        for variant in variants(budget, data.bank.tokens):
            name = f"{variant.name}#{seed}"
            weights = _fit_once(variant, data, seed, backbone.weights, folder / f"{name}.safetensors", log)
            candidates[name] = Candidate(backbone, weights)
            log(f"trained {name}")
    return candidates


def _fit_once(
    variant: Variant, data: TrainingSet, seed: int, backbone: str, path: Path, log: Callable[[str], None]
) -> FusionWeights:
    """Train a variant, or load its tensors from an interrupted study; damaged ones are trained again."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    if path.is_file():
        try:
            return _restored(variant, data, backbone, load_file(path))
        except (SafetensorError, OSError, KeyError, RuntimeError) as error:
            log(f"{path} is damaged ({type(error).__name__}); training it again")
    weights, _ = fit_fused(variant.name, variant.make, backbone, data.bank, variant.budget, seed)
    if _answers(variant, data) and data.questions is not None and data.targets is not None:
        head, _ = fit_head(
            variant.make, weights.prototypes, data.questions, data.targets, variant.budget, seed
        )
        weights = replace(weights, head=head, answers=data.answers)
    tensors = {
        f"{part}.{n}": x.contiguous()
        for part, m in _parts(weights).items()
        for n, x in m.state_dict().items()
    }
    try:
        with replacing(path) as temporary:
            save_file({**tensors, "prior": weights.prior}, temporary)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    return weights


def _answers(variant: Variant, data: TrainingSet) -> bool:
    """Whether a variant is also studied on questions: ablations are compared on retrieval only."""
    return bool(data.answers) and variant.kind != "ablation"


def _restored(
    variant: Variant, data: TrainingSet, backbone: str, tensors: dict[str, Tensor]
) -> FusionWeights:
    k, dim = tensors["prototypes.image"].shape
    head = AnswerHead(variant.make(dim), dim, len(data.answers)).eval() if _answers(variant, data) else None
    weights = FusionWeights(
        variant.name,
        backbone,
        Prototypes(k, dim),
        variant.make(dim).eval(),
        None,
        tensors["prior"],
        head=head,
        answers=data.answers,
    )
    for part, module in _parts(weights).items():
        own = {n.removeprefix(f"{part}."): x for n, x in tensors.items() if n.startswith(f"{part}.")}
        module.load_state_dict(own)
    return weights


def _parts(weights: FusionWeights) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module] = {"prototypes": weights.prototypes, "fused": weights.fused}
    return parts if weights.head is None else {**parts, "head": weights.head}


def cost(backbone: Adapter, candidate: Candidate, n: int = 64) -> dict[str, float]:
    """The cost of scheduling for ``n`` pairs, in per cent of the backbone's parameters and encoding time.

    The projections W_v and W_t, which every fusion has, do not count as the scheduler's parameters. The time
    is the median of five single-threaded runs.
    """
    images = [np.full((224, 224, 3), i, dtype=np.uint8) for i in range(n)]
    texts = [f"a picture of {i} things" for i in range(n)]
    encoded = as_embeddings(backbone.encode_images(images), n, "images")
    spoken = as_embeddings(backbone.encode_texts(texts), n, "texts")
    slow = _median_time(lambda: (backbone.encode_images(images), backbone.encode_texts(texts)))
    added = _median_time(lambda: candidate.fuse(encoded, spoken))
    found = {"time": 100 * added / slow}
    if isinstance(backbone, Clip):
        total = backbone.parameter_count()
        fusion = candidate.fused
        own = {id(p) for part in (fusion.image, fusion.text) for p in part.parameters()}
        scheduler = sum(p.numel() for p in fusion.parameters() if id(p) not in own)
        found["parameters of the scheduler"] = 100 * scheduler / total
    return found


def _median_time(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))
