"""What becomes of images that cannot be used: they stop a run, or are left out and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import DataError
from mafs_bench.runs.images import ImageItem, ImageJob, stream_images
from mafs_bench.types import Image

FOG = suites.load("core@1").corruptions["fog"]


@dataclass(frozen=True)
class Grey:
    """A grey picture; one of no height cannot be read."""

    name: str
    height: int

    def load(self) -> Image:
        if self.height == 0:
            raise DataError(f"{self.name}: cannot be read")
        return np.full((self.height, 40, 3), 90, dtype=np.uint8)


def make(heights: list[int], on_error: str) -> list[ImageItem]:
    sources = [Grey(f"{height}.png", height) for height in heights]
    job = ImageJob(sources, [s.name for s in sources], FOG, (0, 1, 5), 0, on_error=on_error)
    return [item for items in stream_images(job, range(len(sources)), batch=2, workers=0) for item in items]


@pytest.mark.parametrize(("height", "reason"), [(0, "cannot be read"), (31, "40x31 is too small to corrupt")])
def test_an_unusable_image_stops_a_run_or_is_left_out(height: int, reason: str) -> None:
    with pytest.raises(
        DataError, match=rf"{height}.png: {reason}.*\(--on-error skip leaves such images out\)"
    ):
        make([32, height], "fail")
    before, bad, after = make([32, height, 48], "skip")
    assert bad.error is not None
    assert reason in bad.error
    assert bad.changes == [0, 0, 0]
    assert [before.error, after.error] == [None, None]
    assert after.changes[2] > after.changes[1] > after.changes[0] == 0
