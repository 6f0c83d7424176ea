"""Samples left out of a run: listed by the user, or without texts."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from mafs_bench.datasets.annotations import name_some, read_text
from mafs_bench.datasets.subset import subset
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset, Sample


def read_excluded(file: Path) -> tuple[str, ...]:
    """Read the ids in ``--exclude FILE``, one per line. Raises ``DataError`` if it cannot be read."""
    return tuple(dict.fromkeys(line.strip() for line in read_text(file).split("\n") if line.strip()))


def without(dataset: Dataset, excluded: Sequence[str]) -> Dataset:
    """The data set without the samples with these ids. Raises ``DataError`` for an unknown id, or if none is left."""
    if not excluded:
        return dataset
    ids = [sample.id for sample in dataset.samples]
    unknown = [name for name in excluded if name not in set(ids)]
    if unknown:
        near = difflib.get_close_matches(unknown[0], ids, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; ids are such as {ids[0]!r}"
        raise DataError(
            f"--exclude: {len(unknown)} ids are not in {dataset.name} ({dataset.split}): {name_some(unknown)}{hint}"
        )
    out = set(excluded)
    kept = [i for i, name in enumerate(ids) if name not in out]
    if not kept:
        raise DataError(f"--exclude leaves no samples of {dataset.name} ({dataset.split})")
    return subset(dataset, kept)


def text_fault(sample: Sample) -> str:
    """Which text a sample lacks; "" if it lacks none."""
    if not (sample.captions or sample.questions or sample.choices):
        return "without a caption"
    return "with an empty caption" if any(not caption.strip() for caption in sample.captions) else ""


def require_texts(dataset: Dataset) -> None:
    """Raise ``DataError`` if samples lack texts, with their number and the first names."""
    faults = [(sample.id, fault) for sample in dataset.samples if (fault := text_fault(sample))]
    if faults:
        names = [name for name, fault in faults if fault == faults[0][1]]
        raise DataError(
            f"{dataset.name}: {len(names):,} of {len(dataset.samples):,} images {faults[0][1]}: {name_some(names)} "
            "(--on-error skip leaves such images out of a run)"
        )
