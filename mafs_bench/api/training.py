"""Train fusions, schedulers, studies and bundled models: the commands ``train``, ``calibrate`` and ``study``.

``log`` is called with one line of progress at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mafs_bench.mafs.train_fusion import Trained

Log = Callable[[str], None]


def train_backbone(
    out: Path,
    *,
    seed: int,
    image_steps: int,
    text_steps: int,
    align_steps: str,
    limit: int | None,
    cache: Path | None,
    log: Log,
) -> Path:
    """Train the bundled CLIP on rendered scenes; returns the folder of the model. Raises ``MafsBenchError``."""
    from mafs_bench.recipes.backbone import BackboneBudget, parse_steps
    from mafs_bench.recipes.backbone import train_backbone as train

    budget = BackboneBudget(
        image_steps=image_steps, text_steps=text_steps, align_steps=parse_steps(align_steps), limit=limit
    )
    train(out, cache or out / "cache", seed, budget, log)
    return out


def train_baseline(
    architecture: str,
    out: Path,
    *,
    scene_steps: int,
    claim_steps: int,
    steps: int,
    batch_size: int,
    seed: int,
    limit: int,
    log: Log,
) -> Path:
    """Train a small ``albef`` or ``blip`` on rendered scenes; returns its card. Raises ``MafsBenchError``."""
    from mafs_bench.recipes.albef import train_albef
    from mafs_bench.recipes.baseline_loop import Budget
    from mafs_bench.recipes.blip import train_blip

    budget = Budget(
        scene_steps, steps=steps, claim_steps=claim_steps, batch_size=batch_size, seed=seed, limit=limit
    )
    return {"albef": train_albef, "blip": train_blip}[architecture](out, budget, log)


def train_scheduler(
    *,
    backbone: str,
    fusion: str,
    dataset: str,
    split: str,
    data_root: Path | None,
    task: str,
    limit: int | None,
    seed: int,
    steps: int,
    out: Path | None,
    log: Log,
) -> Sequence[Trained]:
    """Train fusion weights on a frozen backbone; returns the files. Raises ``MafsBenchError``."""
    from mafs_bench.mafs.train_fusion import TrainingRequest
    from mafs_bench.mafs.train_fusion import train_scheduler as train
    from mafs_bench.mafs.training import Budget

    request = TrainingRequest(backbone, fusion, dataset, split, data_root, limit, seed, out, task)
    return train(request, Budget(steps=steps), log)


def calibrate(
    *,
    backbone: str,
    dataset: str,
    split: str,
    data_root: Path | None,
    pairs: int | None,
    scheduler: Path | None,
    fusion: str,
    seed: int,
    out: Path | None,
    log: Log,
) -> Trained:
    """Fit a trained scheduler to another backbone without gradients. Raises ``MafsBenchError``."""
    from mafs_bench.mafs.calibrate import CalibrationRequest
    from mafs_bench.mafs.calibrate import calibrate as fit

    return fit(
        CalibrationRequest(backbone, dataset, split, data_root, pairs, scheduler, fusion, seed, out), log
    )


def study_fusion(
    out: Path,
    *,
    backbone: str,
    dataset: str,
    train: str,
    test: str,
    data_root: Path | None,
    seeds: int,
    severity: str,
    limit: int | None,
    train_limit: int | None,
    steps: int,
    log: Log,
) -> Path:
    """Compare MA-AFS with other fusions; returns the study's page (Markdown). Raises ``MafsBenchError``."""
    from mafs_bench.mafs.study.evaluate import evaluate
    from mafs_bench.mafs.study.record import StudyRequest
    from mafs_bench.mafs.study.write import write_study
    from mafs_bench.mafs.training import Budget
    from mafs_bench.runs.plan import parse_severities

    request = StudyRequest(
        backbone, dataset, train, test, data_root, seeds, parse_severities(severity), limit, train_limit
    )
    budget = Budget(steps=steps)
    evaluate(request, budget, out, log)
    return write_study(out, request.command(budget, out))
