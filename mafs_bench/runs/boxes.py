"""Boxes for the corruptions that look at them, read before anything else is."""

from __future__ import annotations

from collections.abc import Iterable

from mafs_bench.corruptions.engine import needs_boxes
from mafs_bench.errors import DataError
from mafs_bench.types import Corruption, Dataset


def with_boxes(dataset: Dataset, corruptions: Iterable[Corruption]) -> Dataset:
    """The data set with boxes where one of the corruptions needs them, else as it is.

    Raises ``DataError`` where it has none, or they cannot be read.
    """
    needing = ", ".join(corruption.name for corruption in corruptions if needs_boxes(corruption))
    if not needing or any(sample.boxes for sample in dataset.samples):
        return dataset
    if dataset.read_boxes is None:
        raise DataError(
            f"{needing} needs boxes around what the captions speak of, and {dataset.name} has none; allowed: "
            "scenes, or coco and vqav2 with --data-root DIR and annotations/instances_*.json there"
        )
    try:
        return dataset.read_boxes(dataset)
    except DataError as error:
        raise DataError(f"{needing} needs boxes: {error}") from error
