"""The frame: resampling in integers, compared with Pillow and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import PIL.Image
import pytest

from mafs_bench.corruptions.exact import frame
from mafs_bench.corruptions.operator_check import example_image
from mafs_bench.types import Image

PILLOW = {
    "box": PIL.Image.Resampling.BOX,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
}
SIZES = [(120, 96), (31, 40), (97, 133), (240, 250), (256, 205)]


def smooth(height: int, width: int) -> Image:
    """Without the hard edges at which Pillow's clipping between its passes shows."""
    return cv2.GaussianBlur(example_image(height, width), (0, 0), 1.5)


@pytest.mark.parametrize("kernel", PILLOW)
@pytest.mark.parametrize("size", SIZES)
def test_resampling_is_pillows_to_within_rounding(kernel: str, size: tuple[int, int]) -> None:
    image = smooth(120, 96)
    ours = frame.resample(image, size, kernel).astype(int)
    theirs = np.array(PIL.Image.fromarray(image).resize(size[::-1], PILLOW[kernel]))
    apart = np.abs(ours - theirs)
    assert apart.mean() <= 0.35
    assert apart.max() <= (3 if kernel in ("box", "bilinear") else 6)


@pytest.mark.parametrize("size", [(60, 48), (31, 40), (97, 95), (7, 5)])
def test_area_averages_are_opencvs(size: tuple[int, int]) -> None:
    image = example_image(120, 96)
    ours = frame.resample(image, size, "area").astype(int)
    assert np.abs(ours - cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)).max() <= 1


@pytest.mark.parametrize("kernel", [*PILLOW, "area"])
@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_a_flat_image_stays_flat(kernel: str, level: int) -> None:
    image = np.full((120, 96, 3), level, dtype=np.uint8)
    for size in ((33, 47), (120, 96), (77, 11)):
        assert (frame.resample(image, size, kernel) == level).all()


@pytest.mark.parametrize("source", [1, 2, 5, 97, 224, 3000])
@pytest.mark.parametrize("target", [1, 3, 97, 256])
def test_weights_sum_to_one_and_stay_inside(source: int, target: int) -> None:
    for start, weights in [frame.taps(source, target, kernel) for kernel in PILLOW] + (
        [frame.area_taps(source, target)] if target <= source else []
    ):
        assert (weights.sum(axis=1) == 1 << frame.WEIGHT_BITS).all()
        assert start.min() >= 0
        assert (start + weights.shape[1]).max() <= source


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 640), (256, 341)), ((640, 480), (341, 256)), ((256, 300), (256, 300)), ((224, 224), (256, 256)),
     ((900, 9000), (256, 2560)), ((40, 41), (256, 262))],
)  # fmt: skip
def test_the_shorter_side_is_the_frame(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert frame.frame_size(size, 256) == expected
    assert frame.to_frame(np.zeros((*size, 3), np.uint8), 256).shape == (*expected, 3)
    assert frame.to_frame(np.zeros((*size, 3), np.uint8), None).shape == (*size, 3)


def test_boxes_go_with_their_image() -> None:
    boxes = ((0, 0, 640, 480), (10, 20, 11, 21))
    assert frame.boxes_to_frame(boxes, (480, 640), 256) == ((0, 0, 341, 256), (5, 11, 6, 12))
    assert frame.boxes_to_frame(boxes, (480, 640), None) == boxes
