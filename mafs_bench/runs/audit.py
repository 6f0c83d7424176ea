"""What the corruptions of a suite really do to a data set, severity by severity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.audit import audit_text
from mafs_bench.corruptions.base import PairItem, PairPlan
from mafs_bench.corruptions.engine import applies, corrupt_image, corrupt_text, plan_pairs
from mafs_bench.corruptions.exact.frame import to_frame
from mafs_bench.runs.frame import load_with_boxes
from mafs_bench.tasks.base import caption_pairs
from mafs_bench.types import Corruption, Dataset, Image


@dataclass(frozen=True)
class AuditRow:
    """One corruption: means over the samples to which it applies, one a severity.

    ``changed`` is the share of samples that differ at all. ``strength`` is the character error rate of texts,
    the mean absolute difference of images as a model sees them, the blended share of pairs (else what ``changed`` is).
    """

    corruption: str
    modality: str
    applicable: float
    changed: tuple[float, ...]
    strength: tuple[float, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What becomes of an image before a model reads it, and the unit of the values that it then has."""

    see: Callable[[Image], npt.NDArray[Any]]
    unit: str


def _at_224(image: Image) -> Image:
    return to_frame(image, 224)


AT_224 = Sight(_at_224, "grey levels at 224 px")
"""What most models see, where none is named: the shorter side at 224 pixels."""


def audit_corruption(
    corruption: Corruption, dataset: Dataset, seed: int = 0, sight: Sight = AT_224
) -> AuditRow:
    """Apply one corruption at all severities. Raises ``DataError`` or ``UsageError`` as a run would.

    Images are compared as ``sight`` sees them: damage that a model's preprocessing takes away is none.
    """
    if corruption.modality == "image":
        return _images(corruption, dataset, seed, sight)
    return (_texts if corruption.modality == "text" else _pairs)(corruption, dataset, seed)


def _images(corruption: Corruption, dataset: Dataset, seed: int, sight: Sight) -> AuditRow:
    found = []
    for sample in dataset.samples:
        if not applies(corruption, sample.boxes):
            continue
        clean, boxes = load_with_boxes(sample.image, sample.boxes)
        made = corrupt_image(
            clean, corruption, corruption.severities, seed=seed, sample_id=sample.id, boxes=boxes
        )
        before = sight.see(clean).astype(np.float64)
        found.append([float(np.mean(np.abs(sight.see(image) - before))) for image in made])
    return _row(corruption, len(found) / max(1, len(dataset.samples)), found, sight.unit)


def _texts(corruption: Corruption, dataset: Dataset, seed: int) -> AuditRow:
    pairs, found = caption_pairs(dataset), []
    for pair in pairs:
        made = corrupt_text(
            pair.text,
            corruption,
            corruption.severities,
            seed=seed,
            sample_id=pair.id,
            language=dataset.language,
        )
        rates = [audit_text(pair.text, text)["character_error_rate"] for text in made if text is not None]
        if rates:
            found.append(rates)
    return _row(corruption, len(found) / max(1, len(pairs)), found, "character error rate")


def _pairs(corruption: Corruption, dataset: Dataset, seed: int) -> AuditRow:
    samples = dataset.samples
    items = [PairItem(pair.id, samples[pair.sample].group, pair.text) for pair in caption_pairs(dataset)]
    plans = [plan_pairs(items, corruption, severity, seed=seed) for severity in corruption.severities]
    changed = tuple(_share_changed(plan) for plan in plans)
    blended = tuple(plan.image_blend or plan.text_blend for plan in plans)
    strength = blended if any(blended) else changed
    return AuditRow(corruption.name, "pair", 1.0, changed, strength, corruption.unit)


def _share_changed(plan: PairPlan) -> float:
    own = np.arange(len(plan.image_from))
    moved = (plan.image_from != own) | (plan.text_from != own)
    mixed = (plan.blend_from != own) & bool(plan.image_blend or plan.text_blend)
    return float(np.mean(~plan.image_present | ~plan.text_present | moved | mixed))


def _row(corruption: Corruption, applicable: float, found: Sequence[Sequence[float]], unit: str) -> AuditRow:
    table = np.array(found, dtype=np.float64).reshape(-1, len(corruption.severities))
    if not len(table):
        return AuditRow(corruption.name, corruption.modality, applicable, (), (), unit)
    changed, strength = (table > 0).mean(axis=0), table.mean(axis=0)
    return AuditRow(
        corruption.name,
        corruption.modality,
        applicable,
        tuple(changed.tolist()),
        tuple(strength.tolist()),
        unit,
    )
