"""``core@2`` in integers against the floating-point formulas of ``core@1``, fed with the same draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.exact.tables import NORMAL_BITS, normals
from mafs_bench.corruptions.image.weather import SnowDraws
from mafs_bench.corruptions.operator_check import example_image
from mafs_bench.seeding import stream
from mafs_bench.types import Image

ONE, TWO = (suites.load(suite).corruptions for suite in ("core@1", "core@2"))


def deviates(z: Any) -> Any:
    return (z / (1 << NORMAL_BITS)).astype(np.float32)


def fog(draws: Any) -> Any:
    levels = [(noise / (1 << 15)).astype(np.float32) for noise in draws]
    return [part for noise in levels for part in (noise[0], noise[1:])]


FLOAT_DRAWS: dict[str, Callable[[Any], Any]] = {
    "gaussian_noise": lambda z: deviates(z) * 255,
    "speckle_noise": lambda z: deviates(z) * 255,
    "shot_noise": lambda bits: (bits >> 1).reshape(-1),
    "impulse_noise": lambda bits: (bits, ((bits & 1) * 255).astype(np.uint8)),
    "motion_blur": lambda angle: angle / 4,
    "snow": lambda d: SnowDraws(deviates(d.flakes), d.angle / 4),
    "fog": fog,
    "low_light": deviates,
    "elastic_transform": lambda d: tuple((field / 65536).astype(np.float32) for field in reversed(d)),
    "rotation": lambda sense: sense,
    "perspective": lambda inwards: (inwards / 4096).astype(np.float32),
    "colour_cast": lambda hue: np.cos(hue * np.pi / 720 + np.array([0, 2, 4]) * np.pi / 3).astype(np.float32),
    "image_patch_dropout": lambda order: order,
    "spatter": deviates,
    **dict.fromkeys(
        (
            "gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "contrast", "saturate", "pixelate",
            "jpeg_compression", "low_resolution",
        ),
        lambda nothing: nothing,
    ),
}  # fmt: skip
"""How ``core@1``'s operator of that name takes the draws of ``core@2``'s."""

REDEFINED = {"occlusion", "text_overlay", "frost", "glass_blur"}
"""Corruptions whose definition changed with the suite; ``spatter`` at severities 1 to 3 and the two largest disks of
``defocus_blur`` (whose kernel sums to 1.01 in the release) as well."""
CHANGED_LEVELS = {"spatter": (1, 2, 3), "defocus_blur": (4, 5)}
NEW = {
    "mosaic", "glitch", "vertical_lines", "geometric_shapes", "stickers", "luminance_checkerboard", "upsample",
    "horizontal_flip", "vertical_flip", "rotate_90",
}  # fmt: skip


def photo_like() -> Image:
    """With the spectrum of a photo; 257 columns, so that ``core@1``'s height map of fog is as large as ``core@2``'s."""
    noise = np.random.default_rng(3).integers(0, 256, (256, 257, 3)).astype(np.float32)
    layers = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1, 3, 9, 27))
    spread = (layers - layers.min()) / (layers.max() - layers.min()) * 255
    return cv2.addWeighted(spread.astype(np.uint8), 0.7, example_image(256, 257), 0.3, 0)


def test_every_corruption_is_compared_redefined_or_new() -> None:
    images = {name for name, corruption in TWO.items() if corruption.modality == "image"}
    assert images == set(FLOAT_DRAWS) | REDEFINED | NEW


@pytest.mark.parametrize("name", FLOAT_DRAWS)
def test_the_integers_stay_within_one_level_of_the_formula(name: str) -> None:
    image, corruption = photo_like(), TWO[name]
    ours, formula = OPERATORS.get(corruption.operator), OPERATORS.get(name)
    draws = ours.sample(stream(0, "core@2", name, "a"), image.shape[:2], corruption.levels)
    for severity, (params, original) in enumerate(zip(corruption.levels, ONE[name].levels, strict=True), 1):
        if severity in CHANGED_LEVELS.get(name, ()):
            continue
        expected = formula.apply(image, FLOAT_DRAWS[name](draws), original).astype(int)
        apart = np.abs(ours.apply(image, draws, params) - expected).mean()
        assert apart <= 1.0, f"severity {severity}: {apart:.2f} grey levels"


def test_normals_are_the_quantiles_of_the_standard_normal() -> None:
    from scipy.stats import norm

    table = normals()
    expected = norm.ppf((np.arange(1 << 16) + 0.5) / (1 << 16)) * (1 << NORMAL_BITS)
    assert np.abs(table - expected).max() <= 0.51
    assert (table == -table[::-1]).all()


def test_no_table_entry_lies_near_a_tie() -> None:
    """So that another version of a mathematical library cannot round it the other way."""
    from scipy.special import ndtri

    exact = ndtri((np.arange(1 << 15, 1 << 16) + 0.5) / (1 << 16)) * (1 << NORMAL_BITS)
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-6
