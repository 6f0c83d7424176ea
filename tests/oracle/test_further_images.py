"""The image corruptions beyond ImageNet-C against scipy, Pillow and what their parameters promise."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.operator_check import example_image
from mafs_bench.types import Image

CORE = suites.load("core@1").corruptions


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(11))


def smooth(height: int, width: int) -> Image:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin(x / 15 + c) * np.cos(y / 12 - c) for c in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


def draw(name: str, image: Image) -> tuple[Any, Any]:
    operator = OPERATORS.get(name)
    return operator, operator.sample(rng(), image.shape[:2], CORE[name].levels)


@pytest.mark.parametrize("degrees", [5, 20, 45, 180])
def test_rotation_is_scipys(degrees: float) -> None:
    image = smooth(90, 120)
    operator, _ = draw("rotation", image)
    ours = operator.apply(image, 1, {"degrees": degrees}).astype(float)
    theirs = np.stack([
        ndimage.rotate(image[:, :, c].astype(float), degrees, reshape=False, order=1, cval=127) for c in range(3)
    ], axis=2)  # fmt: skip
    inside = ndimage.rotate(np.ones((90, 120)), degrees, reshape=False, order=1) > 0.99
    inside = ndimage.binary_erosion(inside, iterations=2)
    assert inside.mean() > 0.5
    assert np.abs(ours - theirs)[inside].max() <= 3


def test_rotation_turns_both_ways_equally_often() -> None:
    operator = OPERATORS.get("rotation")
    generator = rng()
    senses = [operator.sample(generator, (32, 32), ()) for _ in range(400)]
    assert set(senses) == {1, -1}
    assert abs(sum(senses)) < 80


def test_perspective_moves_corners_where_it_says() -> None:
    image = np.full((101, 141, 3), 255, dtype=np.uint8)
    operator, inwards = draw("perspective", image)
    strength = 0.5
    out = operator.apply(image, inwards, {"strength": strength})
    far = np.array([140, 100])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    expected = (corners + (1 - 2 * corners) * inwards * strength / 2) * far
    mask = np.zeros(out.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(mask, np.rint(expected).astype(np.int32), 1)
    kernel = np.ones((5, 5), np.uint8)
    assert (out[cv2.erode(mask, kernel) == 1] == 255).all()
    assert (out[cv2.dilate(mask, kernel) == 0] == 127).all()


def test_low_resolution_shrinks_like_pillow() -> None:
    image = smooth(96, 128)
    operator, draws = draw("low_resolution", image)
    ours = operator.apply(image, draws, {"factor": 0.25}).astype(float)
    small = PIL.Image.fromarray(image).resize((32, 24), PIL.Image.Resampling.BOX)
    theirs = np.asarray(small.resize((128, 96), PIL.Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - theirs)[8:-8, 8:-8].max() <= 6  # the bicubic kernels differ: a = -0.75 and -0.5


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_low_light_lets_that_share_of_the_light_in(severity: int) -> None:
    image = np.full((200, 200, 3), 180, dtype=np.uint8)
    operator, normals = draw("low_light", image)
    params = CORE["low_light"].levels[severity - 1]
    light = (operator.apply(image, normals, params) / 255.0) ** 2.2
    expected = (180 / 255) ** 2.2 * params["exposure"]
    assert light.mean() == pytest.approx(expected, rel=0.03)
    deviation = np.sqrt(expected / params["photons"] + params["read_noise"] ** 2)
    assert light.std() == pytest.approx(deviation, rel=0.25)


def test_colour_cast_scales_channels_by_changes_that_sum_to_zero() -> None:
    image = np.full((40, 40, 3), 100, dtype=np.uint8)
    operator, hue = draw("colour_cast", image)
    assert hue.sum() == pytest.approx(0, abs=1e-6)
    out = operator.apply(image, hue, {"strength": 0.5})
    assert np.abs(out[0, 0] - 100 * (1 + 0.5 * hue)).max() <= 0.5


def test_patch_dropout_takes_the_promised_share_and_nests() -> None:
    image = np.full((224, 224, 3), 255, dtype=np.uint8)
    operator, order = draw("image_patch_dropout", image)
    gone = [operator.apply(image, order, {"share": share})[:, :, 0] == 127 for share in (0.1, 0.4, 0.8, 1.0)]
    assert [g.mean() for g in gone] == [pytest.approx(s, abs=0.5 / 196) for s in (0.1, 0.4, 0.8, 1.0)]
    assert all((lower <= higher).all() for lower, higher in itertools.pairwise(gone))


def test_occlusion_nests_and_never_covers_more_than_promised() -> None:
    image = example_image(200, 160)
    operator, draws = draw("occlusion", image)
    before = np.zeros(image.shape[:2], dtype=bool)
    for share in (0.05, 0.2, 0.5):
        covered = (operator.apply(image, draws, {"share": share}) != image).any(axis=2)
        assert share / 4 < covered.mean() <= share * 1.1
        assert (covered | ~before).mean() > 0.99  # a covered pixel may happen to have the cover's colour
        before = covered


def test_text_overlay_writes_that_many_words() -> None:
    image = np.full((224, 224, 3), 127, dtype=np.uint8)
    operator, draws = draw("text_overlay", image)
    assert len(draws.words) == max(params["words"] for params in CORE["text_overlay"].levels)
    assert np.array_equal(operator.apply(image, draws, {"words": 0}), image)
    one = (operator.apply(image, draws, {"words": 1}) != image).any(axis=2)
    rows = np.flatnonzero(one.any(axis=1))
    assert 224 / 8 <= rows[-1] - rows[0] + 1 <= 224 / 5
    assert len(set(draws.words)) == len(draws.words)


@pytest.mark.parametrize(("name", "params"), [
    ("rotation", {"degrees": 0.0}), ("perspective", {"strength": 0.0}), ("low_resolution", {"factor": 1.0}),
    ("colour_cast", {"strength": 0.0}), ("occlusion", {"share": 0.0}), ("image_patch_dropout", {"share": 0.0}),
    ("text_overlay", {"words": 0}), ("brightness", {"shift": 0.0}), ("contrast", {"factor": 1.0}),
    ("gaussian_noise", {"scale": 0.0}), ("speckle_noise", {"scale": 0.0}), ("impulse_noise", {"amount": 0.0}),
    ("elastic_transform", {"alpha": 0.0}), ("saturate", {"factor": 1.0, "shift": 0.0}), ("pixelate", {"factor": 1.0}),
])  # fmt: skip
def test_neutral_parameters_change_nothing(name: str, params: dict[str, float]) -> None:
    image = example_image(60, 70)
    operator, draws = draw(name, image)
    assert np.abs(operator.apply(image, draws, params).astype(int) - image).max() <= 1
