"""A part of a split, written as the library ``datasets`` writes it: ``test[500:800]``."""

from __future__ import annotations

import re
from dataclasses import replace

from mafs_bench.datasets.subset import subset
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset

_SLICE = re.compile(r"(?P<split>[^\[\]]+)\[(?P<start>\d*):(?P<stop>\d*)\]")


def parse_slice(split: str) -> tuple[str, int, int | None]:
    """Read ``test[500:800]``, ``test[500:]`` or ``test``: the split, the first image and the one after the last.

    Raises ``DataError`` for brackets that hold anything else.
    """
    if "[" not in split:
        return split, 0, None
    match = _SLICE.fullmatch(split)
    start = int((match and match["start"]) or 0)
    stop = int(match["stop"]) if match and match["stop"] else None
    if match is None or (stop is not None and stop <= start):
        raise DataError(
            f"split {split!r}: a part of a split is written as in test[500:800], first image from 0"
        )
    return match["split"], start, stop


def from_image(dataset: Dataset, start: int, split: str) -> Dataset:
    """The images from position ``start`` on, with what is true among them; ``split`` becomes its name.

    Raises ``DataError`` where none is left.
    """
    if start >= len(dataset.samples):
        raise DataError(
            f"split {split!r}: {dataset.name} ({dataset.split}) has {len(dataset.samples)} images"
        )
    return replace(subset(dataset, range(start, len(dataset.samples))), split=split)
