"""Images that are too large for a corruption, found before anything is corrupted."""

from __future__ import annotations

from collections.abc import Sequence

from mafs_bench.corruptions.engine import limits_size, refuse_size
from mafs_bench.datasets.images import FileImage, image_size
from mafs_bench.errors import DataError
from mafs_bench.types import Corruption, Dataset


def refuse_large_images(dataset: Dataset, corruptions: Sequence[Corruption]) -> None:
    """Raise ``DataError`` naming the first image in a file that is too large for one of the corruptions.

    Only the beginning of each file is read, and none where no corruption has a limit. What a frame makes of a large
    image is not looked at: it is small.
    """
    limited = [corruption for corruption in corruptions if limits_size(corruption)]
    if not limited:
        return
    for sample in dataset.samples:
        size = image_size(sample.image.name) if isinstance(sample.image, FileImage) else None
        if size is None:
            continue
        for corruption in limited:
            refused = refuse_size(corruption, (size[1], size[0]))
            if refused is not None:
                raise DataError(
                    f"{sample.image.name}: {refused}; --on-error skip leaves such images out of a run"
                )
