"""Corruptions whose grain is a pixel (noise, the blocks of JPEG), in frames that are larger than the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.draws import UNIT, grid_size
from mafs_bench.corruptions.exact.filters import clip
from mafs_bench.corruptions.exact.frame import resample
from mafs_bench.types import Image, Params

_Size = tuple[int, int]


def grain_of_unit(operator: ImageOperator) -> ImageOperator:
    """The operator with a grain of 1/256 of the shorter side, so that the effect is the same in larger frames.

    Images whose shorter side is at most 256 pixels are given to the operator as they are. A larger one is shrunk to
    256, corrupted, and what changed there is enlarged (bicubic) and added to it.
    """

    def sample(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> Any:
        return operator.sample(rng, grid_size(size) if min(size) > UNIT else size, levels)

    def apply(image: Image, draws: Any, params: Params) -> Image:
        size = (image.shape[0], image.shape[1])
        if min(size) <= UNIT:
            return operator.apply(image, draws, params)
        small = resample(image, grid_size(size), "bicubic")
        before, after = (
            resample(one, size, "lanczos").astype(np.int16)
            for one in (small, operator.apply(small, draws, params))
        )
        return clip(image + (after - before))

    return replace(operator, sample=sample, apply=apply)
