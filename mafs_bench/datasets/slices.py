"""A part of a split, in the notation of the library ``datasets``: ``test[500:800]``."""

from __future__ import annotations

import re
from dataclasses import replace

from mafs_bench.datasets.subset import subset
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset

_SLICE = re.compile(r"(?P<split>[^\[\]]+)\[(?P<start>\d*):(?P<stop>\d*)\]")


def parse_slice(split: str) -> tuple[str, int, int | None]:
    """Parse ``test[500:800]``, ``test[500:]`` or ``test`` into the split, the first image and the end (exclusive).

    Raises ``DataError`` for anything else in brackets.
    """
    if "[" not in split:
        return split, 0, None
    match = _SLICE.fullmatch(split)
    start = int((match and match["start"]) or 0)
    stop = int(match["stop"]) if match and match["stop"] else None
    if match is None or (stop is not None and stop <= start):
        raise DataError(f"split {split!r}: a part of a split is written as in test[500:800], counted from 0")
    return match["split"], start, stop


def from_image(dataset: Dataset, start: int, split: str) -> Dataset:
    """The images from position ``start`` on and the relevance among them; ``split`` becomes the new split name.

    Raises ``DataError`` if no image is left.
    """
    if start >= len(dataset.samples):
        raise DataError(
            f"split {split!r}: {dataset.name} ({dataset.split}) has {len(dataset.samples)} images"
        )
    return replace(subset(dataset, range(start, len(dataset.samples))), split=split)
