"""Train every variant and score it under every condition; an interrupted study is resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.overlap import overlap_notes, shared_images
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UsageError
from mafs_bench.mafs.backbone import probe_encoder, require_dual_encoder
from mafs_bench.mafs.cards import check_output
from mafs_bench.mafs.embedding import require_one_space
from mafs_bench.mafs.study.candidates import Candidate, SharedView, TrainingSet, cost, train_candidates
from mafs_bench.mafs.study.conditions import StudyCell, study_cells
from mafs_bench.mafs.study.record import StudyRecord, StudyRequest, identity_of, open_study
from mafs_bench.mafs.train_fusion import require_pairs
from mafs_bench.mafs.training import Budget
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.encode import drop_spool
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.execute import default_workers
from mafs_bench.runs.store import write_atomically
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.tasks import fused_retrieval, vqa
from mafs_bench.tasks.base import Pair, caption_pairs
from mafs_bench.types import Corruption, Dataset

FUSED = "fused-retrieval"
VQA = "vqa"


def evaluate(request: StudyRequest, budget: Budget, out: Path, log: Callable[[str], None]) -> None:
    """Write ``scores/<task>--<condition>.parquet`` per cell, and ``study.json``; existing files are kept.

    A table has id, group, mismatched, and per variant and seed the score (R@1 hit, or soft accuracy), the image's
    weight, and for answers the confidence. Raises ``StoreError`` if ``out`` contains a study with other settings,
    ``UsageError`` if test images are also training images, and other ``MafsBenchError`` subclasses.
    """
    torch.set_num_threads(1)
    require_dual_encoder(request.backbone, "be studied")
    check_output(out)
    suite = suites.load(request.suite)
    cells = study_cells(suite, 0, request.severities)
    train, test = _load_splits(request)
    settings = resolve_settings()
    backbone = load(request.backbone, settings)
    require_one_space(backbone, train)
    probe = probe_encoder(backbone, settings.precision)
    identity = identity_of(request, budget, backbone.weights, suite.digest, train, test)
    tasks = (FUSED, VQA) if test.answer_vocabulary else (FUSED,)
    notes = tuple(overlap_notes(backbone.name, backbone.training_data, test))
    asked = StudyRecord(request, budget, identity, probe.to_table(), tasks, notes, {})
    record = open_study(out, asked, probe)
    todo = [c for c in cells if not all(score_file(out, task, c).is_file() for task in tasks)]
    spool = out / ".partial"
    if todo:
        candidates = train_candidates(
            TrainingSet.of(backbone, probe, train, log), backbone, budget, request.seeds, out / "weights", log
        )
        replace(record, cost=cost(backbone, candidates["mafs#0"])).write(out)
        test = with_boxes(test, [cell.corruption for cell in cells if cell.corruption is not None])
        encoder = Encoder(backbone, test, 0, 64, default_workers(), spool=spool)
        _score_cells(candidates, encoder, todo, tasks, out, log)
    drop_spool(spool)


def _load_splits(request: StudyRequest) -> tuple[Dataset, Dataset]:
    """The training and the test split. Raises ``UsageError`` if they share images or cannot be used for training."""
    train = resolve(request.dataset, request.train, request.data_root, request.train_limit)
    require_pairs(train, several=True)
    test = resolve(request.dataset, request.test, request.data_root, request.limit)
    if shared := shared_images(test, train):
        raise UsageError(
            f"--test {request.test}: {shared:,} of {len(test.samples):,} images are also in --train {request.train}; "
            "a study is tested on images that it was not trained on"
        )
    return train, test


def _score_cells(
    candidates: dict[str, Candidate],
    encoder: Encoder,
    todo: Sequence[StudyCell],
    tasks: Sequence[str],
    out: Path,
    log: Callable[[str], None],
) -> None:
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
        log(f"{cell.group}: {cell.condition.label} ({time.monotonic() - began:.0f} s)")


def score_file(out: Path, task: str, cell: StudyCell) -> Path:
    """The file of a cell's scores."""
    return out / "scores" / f"{task}--{cell.condition.label}.parquet"


def _score(task: str, candidates: dict[str, Candidate], encoder: Encoder, cell: StudyCell) -> pd.DataFrame:
    view = SharedView(ConditionView(encoder, cell.condition, ConditionParts.of(cell.corruptions)))
    mismatched = view.mismatched(_pairs_of(task, encoder.dataset))
    corrupted = _corrupted_modalities(cell.corruption)
    columns: dict[str, Any] = {}
    for name, candidate in candidates.items():
        if task == VQA and not candidate.answers_questions:
            continue
        candidate.corrupted = corrupted
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


def _corrupted_modalities(corruption: Corruption | None) -> tuple[float, float]:
    if corruption is None or corruption.modality == "pair":
        return (0.0, 0.0)
    return (1.0, 0.0) if corruption.modality == "image" else (0.0, 1.0)
