"""How many pixels an image of a data set may have."""

from __future__ import annotations

from dataclasses import replace

from mafs_bench.datasets.hub import HubImage
from mafs_bench.datasets.images import FileImage
from mafs_bench.errors import UsageError
from mafs_bench.types import Dataset


def with_max_pixels(dataset: Dataset, max_pixels: int) -> Dataset:
    """The data set with images in files and on the hub allowed up to ``max_pixels`` pixels. Raises ``UsageError``."""
    if max_pixels < 1:
        raise UsageError(f"--max-pixels {max_pixels}: allowed is a whole number from 1")
    return replace(
        dataset,
        samples=tuple(
            replace(sample, image=replace(sample.image, max_pixels=max_pixels))
            if isinstance(sample.image, FileImage | HubImage)
            else sample
            for sample in dataset.samples
        ),
    )
