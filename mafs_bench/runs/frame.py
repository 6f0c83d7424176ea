"""The frame of a suite, applied where images are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mafs_bench.corruptions.exact.frame import boxes_to_frame, to_frame
from mafs_bench.datasets.images import FileImage, image_size
from mafs_bench.errors import DataError
from mafs_bench.types import Box, Dataset, Image, ImageSource

NATIVE = "native"
"""What a record says of a run without a frame."""
_LOOKED_AT = 64
_LARGE = 320
"""Pixels of the shorter side from which on constants that were made for 224 pixels do visibly less."""


@dataclass(frozen=True, slots=True)
class FramedImage:
    """An image whose shorter side is resized to ``frame`` pixels when it is loaded."""

    image: ImageSource
    frame: int

    @property
    def name(self) -> str:
        """The image's name."""
        return self.image.name

    def load(self) -> Image:
        """Decode and resize. Raises ``DataError``."""
        return to_frame(self.image.load(), self.frame)


def in_frame(dataset: Dataset, frame: int | None) -> Dataset:
    """The data set with every image in a suite's frame; boxes stay in the pixels of the stored image."""
    if frame is None:
        return dataset
    samples = tuple(replace(sample, image=FramedImage(sample.image, frame)) for sample in dataset.samples)
    return replace(dataset, samples=samples)


def load_with_boxes(source: ImageSource, boxes: Sequence[Box]) -> tuple[Image, Sequence[Box]]:
    """An image, and its boxes in the pixels of its frame. Raises ``DataError``."""
    if not isinstance(source, FramedImage):
        return source.load(), boxes
    stored = source.image.load()
    size = (stored.shape[0], stored.shape[1])
    return to_frame(stored, source.frame), boxes_to_frame(tuple(boxes), size, source.frame)


def frame_name(frame: int | None) -> str:
    """How a record names a frame."""
    return NATIVE if frame is None else str(frame)


def native_note(dataset: Dataset) -> str | None:
    """What a run without a frame means where images are large or of several sizes, by a look at a few of them."""
    looked_at = np.unique(np.linspace(0, len(dataset.samples) - 1, _LOOKED_AT).astype(int))
    sides = sorted(filter(None, (_shorter_side(dataset.samples[i].image) for i in looked_at)))
    if not sides or (sides[-1] <= _LARGE and sides[0] == sides[-1]):
        return None
    found = f"{sides[-1]} px" if sides[0] == sides[-1] else f"{sides[0]} to {sides[-1]} px"
    return (
        f"images are corrupted at their own size (shorter sides of {found}): noise, blur and other lengths in pixels "
        "do less to larger images; --suite core@2 resizes all to one frame first"
    )


def _shorter_side(image: ImageSource) -> int:
    """Pixels of the shorter side, 0 for an image that cannot be read: whoever needs it says so."""
    size = image_size(image.name) if isinstance(image, FileImage) else None
    if size is not None:
        return min(size)
    try:
        return int(min(image.load().shape[:2]))
    except DataError:
        return 0
