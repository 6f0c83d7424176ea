"""ALBEF's way from an image to pixels: squashed to a square by bicubic resampling, normalised as CLIP's are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as PILImage

from mafs_bench.types import FloatArray, Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """A picklable function of one image; ``size`` is the side of its output in pixels."""

    size: int

    def __call__(self, image: Image) -> FloatArray:
        """Turn uint8 (H, W, 3) into float32 (3, size, size)."""
        return normalise(squash(image, self.size))


def squash(image: Image, size: int) -> Image:
    """Resize to uint8 (size, size, 3), whatever the proportions."""
    return np.asarray(PILImage.fromarray(image).resize((size, size), PILImage.Resampling.BICUBIC))


def normalise(images: Image) -> FloatArray:
    """Turn uint8 (…, size, size, 3) into float32 (…, 3, size, size)."""
    scaled = images.astype(np.float32) / np.float32(255)
    channels_last = (scaled - MEAN) / STD
    return np.ascontiguousarray(np.moveaxis(channels_last, -1, -3))
