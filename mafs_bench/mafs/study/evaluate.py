"""Train every variant and score it under every condition; what is done is found again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.resolve import resolve
from mafs_bench.mafs.study.candidates import Candidate, SharedView, TrainingSet, cost, train_candidates
from mafs_bench.mafs.study.conditions import StudyCell, study_cells
from mafs_bench.mafs.training import Budget
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.execute import default_workers
from mafs_bench.runs.store import write_atomically
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.tasks import fused_retrieval, vqa
from mafs_bench.tasks.base import Pair, caption_pairs
from mafs_bench.types import Corruption, Dataset

FUSED = "fused-retrieval"
VQA = "vqa"


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


def evaluate(request: StudyRequest, budget: Budget, out: Path, say: Callable[[str], None]) -> None:
    """Write ``scores/<task>--<condition>.parquet`` a cell, and ``study.json``; what is there is not made again.

    A table has id, group, mismatched, and for every variant and seed the score (R@1 hit, or soft accuracy), the
    image's weight, and of answers the confidence. Raises ``MafsBenchError`` subclasses.
    """
    torch.set_num_threads(1)
    backbone = load(request.backbone, resolve_settings())
    cells = study_cells(suites.load(request.suite), 0, request.severities)
    test = resolve(request.dataset, request.test, request.data_root, request.limit)
    test = with_boxes(test, [cell.corruption for cell in cells if cell.corruption is not None])
    tasks = (FUSED, VQA) if test.answer_vocabulary else (FUSED,)
    todo = [c for c in cells if not all(score_file(out, task, c).is_file() for task in tasks)]
    if not todo:
        return
    train = resolve(request.dataset, request.train, request.data_root, request.train_limit)
    data = TrainingSet.of(backbone, train, say)
    candidates = train_candidates(data, backbone, budget, request.seeds, out / "weights", say)
    record = _record(request, budget, backbone) | {
        "tasks": tasks,
        "cost": cost(backbone, candidates["mafs#0"]),
    }
    write_atomically(out / "study.json", (json.dumps(record, indent=1) + "\n").encode())
    encoder = Encoder(backbone, test, 0, 64, default_workers(), spool=out / ".partial")
    left = list(todo)
    encoder.severities_left = lambda corruption: tuple(
        cell.condition.severity for cell in left if cell.condition.corruption == corruption.name
    )
    for cell in todo:
        began = time.monotonic()
        for task in tasks:
            frame = _score(task, candidates, encoder, cell)
            write_atomically(score_file(out, task, cell), frame.to_parquet(index=False))
        left.remove(cell)
        say(f"{cell.group}: {cell.condition.label} ({time.monotonic() - began:.0f} s)")


def score_file(out: Path, task: str, cell: StudyCell) -> Path:
    """Where a cell's scores are kept."""
    return out / "scores" / f"{task}--{cell.condition.label}.parquet"


def _score(task: str, candidates: dict[str, Candidate], encoder: Encoder, cell: StudyCell) -> pd.DataFrame:
    view = SharedView(ConditionView(encoder, cell.condition, ConditionParts.of(cell.corruptions)))
    mismatched = view.mismatched(_pairs_of(task, encoder.dataset))
    told = _told(cell.corruption)
    columns: dict[str, Any] = {}
    for name, candidate in candidates.items():
        if task == VQA and not candidate.answers_questions:
            continue
        candidate.corrupted = told
        candidate.mismatched = mismatched if mismatched.any() else None
        frame = vqa.score(candidate, view) if task == VQA else fused_retrieval.score(candidate, view)
        score = frame["score"].to_numpy(dtype=np.float32)
        if task == FUSED:
            score = np.where(np.isnan(score), np.nan, score <= 1).astype(np.float32)
        columns |= {"id": frame["id"], "group": frame["group"], "mismatched": mismatched}
        columns[f"{name}|score"] = score
        columns[f"{name}|alpha"] = frame["alpha_image"].astype(np.float32)
        if task == VQA:
            columns[f"{name}|confidence"] = frame["confidence"].astype(np.float32)
    return pd.DataFrame(columns)


def _pairs_of(task: str, dataset: Dataset) -> list[Pair]:
    if task == FUSED:
        return caption_pairs(dataset)
    return [Pair(question.id, sample, question.text) for sample, question in vqa.questions_of(dataset)]


def _told(corruption: Corruption | None) -> tuple[float, float]:
    if corruption is None or corruption.modality == "pair":
        return (0.0, 0.0)
    return (1.0, 0.0) if corruption.modality == "image" else (0.0, 1.0)


def _record(request: StudyRequest, budget: Budget, backbone: Any) -> dict[str, Any]:
    listed = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()}
    return {"request": listed, "budget": asdict(budget), "backbone_weights": backbone.weights}
