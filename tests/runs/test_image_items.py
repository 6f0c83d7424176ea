"""Images of a job: all severities of one decode, and an error that names the sample."""

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


def make(heights: list[int]) -> list[ImageItem]:
    sources = [Grey(f"{height}.png", height) for height in heights]
    job = ImageJob(sources, [f"id {s.height}" for s in sources], FOG, (0, 1, 5), 0)
    return [item for items in stream_images(job, range(len(sources)), batch=2, workers=0) for item in items]


@pytest.mark.parametrize(
    ("height", "reason"), [(0, "0.png: cannot be read"), (31, "40x31 is too small to corrupt")]
)
def test_an_unusable_image_stops_a_run_and_names_the_sample(height: int, reason: str) -> None:
    with pytest.raises(DataError, match=rf"^sample id {height}: .*{reason}.*--on-error skip.*--exclude FILE"):
        make([32, height])


def test_every_severity_comes_from_one_decode() -> None:
    first, second = make([32, 48])
    assert [first.position, second.position] == [0, 1]
    assert second.changes[2] > second.changes[1] > second.changes[0] == 0
