"""Train every variant and score it under every condition; what is done is found again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mafs_bench import suites
from mafs_bench.adapters.fused import FusedBackbone
from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.protocols import Embeddings
from mafs_bench.datasets.resolve import resolve
from mafs_bench.mafs.bank import EmbeddingBank
from mafs_bench.mafs.fusion import FusionInput
from mafs_bench.mafs.signals import Prototypes
from mafs_bench.mafs.training import Budget
from mafs_bench.mafs.weights import FusionWeights
from mafs_bench.runner.encode import as_embeddings
from mafs_bench.runner.execute import default_workers
from mafs_bench.runner.store import write_atomically
from mafs_bench.runner.view import ConditionParts, ConditionView, Encoder
from mafs_bench.study.conditions import StudyCell, study_cells
from mafs_bench.study.variants import Variant, variants
from mafs_bench.tasks import fused_retrieval
from mafs_bench.tasks.base import Pair, PairEmbeddings, caption_pairs
from mafs_bench.training.scheduler import embed, fit_fused
from mafs_bench.types import Corruption


@dataclass(frozen=True)
class StudyRequest:
    """What to study, in the user's words. ``train`` and ``test`` are splits of ``dataset``."""

    backbone: str = "clip"
    dataset: str = "scenes"
    train: str = "val"
    test: str = "test"
    data_root: Path | None = None
    seeds: int = 3
    severities: tuple[int, ...] = (1, 3, 5)
    limit: int | None = None
    train_limit: int | None = None
    suite: str = "core@1"


class Candidate(FusedBackbone):
    """A fusion under study on a backbone that is loaded already."""

    fusion = "study"

    def __init__(self, backbone: Any, weights: FusionWeights) -> None:
        super().__init__(weights.fusion, backbone, weights)
        self.fused = weights.fused
        self.corrupted: tuple[float, float] = (0.0, 0.0)
        self.mismatched: np.ndarray[Any, Any] | None = None

    def _pairs(self, images: Embeddings, texts: Embeddings) -> FusionInput:
        """Tell the oracle which modality was corrupted; every other fusion ignores it."""
        pairs = super()._pairs(images, texts)
        told = torch.tensor(self.corrupted).repeat(len(images), 1)
        if self.mismatched is not None:
            told[:, 1] = torch.from_numpy(self.mismatched.astype(np.float32))
        return FusionInput(pairs.v, pairs.t, pairs.signals, pairs.present, told)


@dataclass
class ToldView:
    """A view that remembers which pairs hold another's text, for the oracle and the mismatch diagnostic."""

    view: ConditionView
    mismatched: np.ndarray[Any, Any] | None = None
    made: PairEmbeddings | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)

    def pair_embeddings(self, pairs: Sequence[Pair]) -> PairEmbeddings:
        """The view's, made once for all candidates."""
        if self.made is None:
            self.made = self.view.pair_embeddings(pairs)
            self.mismatched = self.made.text_from != np.arange(len(pairs))
        return self.made


def evaluate(request: StudyRequest, budget: Budget, out: Path, say: Callable[[str], None]) -> None:
    """Write ``scores/<condition>.parquet`` a condition, and ``study.json``; what is there is not made again.

    A table has id, group, mismatched, and for every variant and seed the rank of the first correct caption and
    the image's weight. Raises ``MafsBenchError`` subclasses.
    """
    torch.set_num_threads(1)
    backbone = load(request.backbone, resolve_settings())
    suite = suites.load(request.suite)
    cells = study_cells(suite, 0, request.severities)
    todo = [cell for cell in cells if not score_file(out, cell).is_file()]
    write_atomically(
        out / "study.json", (json.dumps(_record(request, budget, backbone), indent=1) + "\n").encode()
    )
    if not todo:
        return
    candidates = _train(request, budget, backbone, out, say)
    record = _record(request, budget, backbone) | {"cost": cost(backbone, candidates["mafs#0"])}
    write_atomically(out / "study.json", (json.dumps(record, indent=1) + "\n").encode())
    test = resolve(request.dataset, request.test, request.data_root, request.limit)
    encoder = Encoder(backbone, test, 0, 64, default_workers(), spool=out / ".partial")
    left = list(todo)
    encoder.severities_left = lambda corruption: tuple(
        cell.condition.severity for cell in left if cell.condition.corruption == corruption.name
    )
    for cell in todo:
        began = time.monotonic()
        frame = _score(candidates, encoder, cell)
        score_file(out, cell).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(score_file(out, cell), frame.to_parquet(index=False))
        left.remove(cell)
        say(f"{cell.group}: {cell.condition.label} ({time.monotonic() - began:.0f} s)")


def score_file(out: Path, cell: StudyCell) -> Path:
    """Where a condition's scores are kept."""
    return out / "scores" / f"{cell.condition.label}.parquet"


def _score(candidates: dict[str, Candidate], encoder: Encoder, cell: StudyCell) -> pd.DataFrame:
    view = ToldView(ConditionView(encoder, cell.condition, ConditionParts.of(cell.corruptions)))
    view.pair_embeddings(caption_pairs(encoder.dataset))
    columns: dict[str, Any] = {}
    for name, candidate in candidates.items():
        candidate.corrupted = _told(cell.corruption)
        candidate.mismatched = view.mismatched if _told(cell.corruption) == (0.0, 0.0) else None
        frame = fused_retrieval.score(candidate, view)
        columns |= {"id": frame["id"], "group": frame["group"], "mismatched": view.mismatched}
        columns[f"{name}|rank"] = frame["score"].astype(np.float32)
        columns[f"{name}|alpha"] = frame["alpha_image"].astype(np.float32)
    return pd.DataFrame(columns)


def _told(corruption: Corruption | None) -> tuple[float, float]:
    if corruption is None or corruption.modality == "pair":
        return (0.0, 0.0)
    return (1.0, 0.0) if corruption.modality == "image" else (0.0, 1.0)


def _train(
    request: StudyRequest, budget: Budget, backbone: Any, out: Path, say: Callable[[str], None]
) -> dict[str, Candidate]:
    """Every variant for every seed, by ``<variant>#<seed>``; weights are kept in ``weights/``."""
    train = resolve(request.dataset, request.train, request.data_root, request.train_limit)
    bank = embed(backbone, train, 0, say)
    made: dict[str, Candidate] = {}
    for seed in range(request.seeds):
        for variant in variants(budget):
            name = f"{variant.name}#{seed}"
            weights = _fit_once(
                variant, bank, seed, backbone.weights, out / "weights" / f"{name}.pt.safetensors"
            )
            made[name] = Candidate(backbone, weights)
            say(f"trained {name}")
    return made


def _fit_once(variant: Variant, bank: EmbeddingBank, seed: int, backbone: str, path: Path) -> FusionWeights:
    """Train a variant, or find its tensors from a run that was broken off."""
    from safetensors.torch import load_file, save_file

    if path.is_file():
        return _restored(variant, bank, backbone, load_file(path))
    weights, _ = fit_fused(variant.name, variant.make, backbone, bank, variant.budget, seed)
    parts = {"prototypes": weights.prototypes, "fused": weights.fused}
    tensors = {f"{k}.{n}": x.contiguous() for k, part in parts.items() for n, x in part.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({**tensors, "prior": weights.prior}, path)
    return weights


def _restored(
    variant: Variant, bank: EmbeddingBank, backbone: str, tensors: dict[str, Tensor]
) -> FusionWeights:
    k, dim = tensors["prototypes.image"].shape
    prototypes, fused = Prototypes(k, dim), variant.make(dim)
    for part, module in (("prototypes.", prototypes), ("fused.", fused)):
        own = {n.removeprefix(part): x for n, x in tensors.items() if n.startswith(part)}
        module.load_state_dict(own)
    return FusionWeights(variant.name, backbone, prototypes, fused.eval(), None, tensors["prior"])


def cost(backbone: Any, candidate: Candidate, n: int = 64) -> dict[str, float]:
    """What scheduling adds to encoding ``n`` pairs, in percent of the backbone's parameters and time.

    The projections W_v and W_t, which every fusion has, do not count as the scheduler's parameters. The time
    is the median of five, single-threaded.
    """
    images = [np.full((224, 224, 3), i, dtype=np.uint8) for i in range(n)]
    texts = [f"a picture of {i} things" for i in range(n)]
    encoded = as_embeddings(backbone.encode_images(images), n, "images")
    spoken = as_embeddings(backbone.encode_texts(texts), n, "texts")
    slow = _median_time(lambda: (backbone.encode_images(images), backbone.encode_texts(texts)))
    added = _median_time(lambda: candidate.fuse(encoded, spoken))
    found = {"time": 100 * added / slow}
    model = getattr(getattr(backbone, "_loaded", None), "model", None)
    if model is not None:
        total = sum(p.numel() for p in model.parameters())
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


def _record(request: StudyRequest, budget: Budget, backbone: Any) -> dict[str, Any]:
    listed = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()}
    return {"request": listed, "budget": asdict(budget), "backbone_weights": backbone.weights}
