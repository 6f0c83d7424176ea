"""Limit the number of pixels per image of a data set."""

from __future__ import annotations

from dataclasses import replace

from mafs_bench.datasets.choices import EncodedImage
from mafs_bench.datasets.hub import HubImage
from mafs_bench.datasets.images import FileImage
from mafs_bench.errors import UsageError
from mafs_bench.types import Dataset


def with_max_pixels(dataset: Dataset, max_pixels: int) -> Dataset:
    """The data set with a limit of ``max_pixels`` on images in files and on the hub. Raises ``UsageError``."""
    if max_pixels < 1:
        raise UsageError(f"--max-pixels {max_pixels}: allowed: a whole number from 1")
    return replace(
        dataset,
        samples=tuple(
            replace(sample, image=replace(sample.image, max_pixels=max_pixels))
            if isinstance(sample.image, FileImage | HubImage | EncodedImage)
            else sample
            for sample in dataset.samples
        ),
    )
