"""Which samples a run uses: decided once, before its first cell, and the same in all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mafs_bench.corruptions.engine import refuse_size, require_image
from mafs_bench.datasets.annotations import name_some
from mafs_bench.datasets.exclude import text_fault
from mafs_bench.datasets.subset import subset
from mafs_bench.errors import DataError, MafsBenchError
from mafs_bench.runs.plan import Plan
from mafs_bench.runs.workers import ordered
from mafs_bench.types import Corruption, ImageSource, Sample

_PART = 20
"""Images that a worker decodes at once."""

_SHOWN = 10
"""Samples left out that are printed with their reasons; the record names all."""


def skip_unusable(plan: Plan, workers: int, note: Callable[[str], None]) -> Plan:
    """The plan over the samples that every cell of it can use; every image is decoded once to find them.

    What is left out, and why, is ``Plan.skipped``. Raises ``DataError`` where nothing is left.
    """
    samples, began = plan.dataset.samples, time.monotonic()
    corruptions = tuple(corruption for corruption in plan.corruptions if corruption.modality == "image")
    found = zip(samples, _faults(samples, corruptions, workers), strict=True)
    reasons = {sample.id: reason for sample, reason in found if reason}
    note(
        f"--on-error skip: decoded {len(samples):,} images in {time.monotonic() - began:.1f} s; "
        f"{len(reasons):,} cannot be used"
    )
    for name, reason in list(reasons.items())[:_SHOWN]:
        note(f"left out: {name}: {reason}")
    if len(reasons) > _SHOWN:
        note(f"left out: {len(reasons) - _SHOWN:,} more, named in spec.json")
    if not reasons:
        return plan
    kept = [i for i, sample in enumerate(samples) if sample.id not in reasons]
    if not kept:
        name, reason = next(iter(reasons.items()))
        raise DataError(f"no image of {plan.dataset.name} can be used; the first: {name}: {reason}")
    dataset = subset(plan.dataset, kept)
    for task in plan.tasks:
        if (refusal := task.refuse_dataset(dataset)) is not None:
            raise DataError(f"{task.name}: {refusal} left after --on-error skip")
    return replace(plan, dataset=dataset, skipped=reasons)


def skipped_note(skipped: Mapping[str, str], n: int) -> str:
    """One line for the record: how many of ``n`` samples were left out, and the first with their reasons."""
    named = name_some([f"{name} ({reason})" for name, reason in skipped.items()])
    return f"{len(skipped):,} of {n:,} images are left out of all cells (--on-error skip): {named}"


@dataclass(frozen=True, slots=True)
class _Part:
    """Images that are decoded together."""

    images: tuple[ImageSource, ...]
    corruptions: tuple[Corruption, ...]


def _faults(samples: Sequence[Sample], corruptions: tuple[Corruption, ...], workers: int) -> Iterator[str]:
    """Per sample why it cannot be used, "" where it can."""
    starts = range(0, len(samples), _PART)
    parts = [_Part(tuple(s.image for s in samples[i : i + _PART]), corruptions) for i in starts]
    made = ordered(_image_faults, parts, None, workers, lambda part: part.images[0].name)
    of_images = (fault for part in made for fault in part)
    for sample, of_image in zip(samples, of_images, strict=True):
        yield of_image or text_fault(sample)


def _image_faults(_: None, part: _Part) -> list[str]:
    return [_image_fault(image, part.corruptions) for image in part.images]


def _image_fault(source: ImageSource, corruptions: Sequence[Corruption]) -> str:
    """Why an image cannot be decoded or corrupted, "" where it can."""
    try:
        image = source.load()
        if corruptions:
            require_image(image, source.name)
        refusals = (refuse_size(corruption, image.shape[:2]) for corruption in corruptions)
        if (refusal := next((refused for refused in refusals if refused), None)) is not None:
            return f"{source.name}: {refusal}"
    except MafsBenchError as error:
        return str(error)
    except MemoryError:
        return f"{source.name}: does not fit in memory"
    return ""
