"""Ours against ``imagecorruptions`` 1.1.2, fed with the same draws: at most one grey level apart."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import stats

from mafs_bench.corruptions import OPERATORS, legacy
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.seeding import stream
from mafs_bench.types import Image

_spec = importlib.util.spec_from_file_location(
    "reference_draws", Path(__file__).with_name("reference_draws.py")
)
reference_draws = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference_draws)

SUITE = suites.load("imagenet-c@1")
EXACT = {"impulse_noise", "frost", "pixelate", "jpeg_compression"}
"""Integer arithmetic, or the very tables of the reference's double arithmetic: no difference at all."""
SIZES = [(32, 45), (225, 223), (224, 224), (333, 500)]
LARGE = [(480, 640), (1080, 1920)]
PHOTO = Path(__file__).parents[2].parent / "shared" / "data" / "flickr8k-mini"


def picture(height: int, width: int) -> Image:
    """Gradients, flat and saturated areas, sharp edges, black, white and noise in one."""
    rng = np.random.default_rng(height * 10_000 + width)
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([255 * x / width, 255 * y / height, 127 + 127 * np.sin(x / 9 + y / 17)], axis=2)
    h, w = height // 4, width // 4
    image[:h, :w] = 255
    image[:h, w : 2 * w] = 0
    image[h : 2 * h, :w] = (255, 0, 0)
    image[h : 2 * h, w : 2 * w] = 128
    image[2 * h : 3 * h, :w] = rng.integers(0, 256, (h, w, 3))
    image[2 * h : 3 * h, w : 2 * w] = rng.integers(0, 256, (h, w, 1))
    return image.astype(np.uint8)


def difference(name: str, image: Image, severity: int, sample_id: str = "a") -> int:
    """The largest difference in grey levels between ours and the reference's output."""
    corruption = SUITE.corruptions[name]
    operator = OPERATORS.get(name)
    params, size = corruption.levels[severity - 1], image.shape[:2]
    draws = operator.sample(stream(0, SUITE.id, name, sample_id), size, corruption.levels)
    again = stream(0, SUITE.id, name, sample_id)
    source = reference_draws.source_for(name, draws, again, size, params)
    expected = legacy.reference(name, image, severity, source)
    ours = operator.apply(image, draws, params)
    assert ours.shape == expected.shape
    assert ours.dtype == np.uint8
    return int(np.abs(ours.astype(int) - expected).max())


def allowed(name: str) -> int:
    return 0 if name in EXACT else 1


def severities(name: str, size: tuple[int, int]) -> tuple[int, ...]:
    """The reference's glass_blur takes seconds at the larger sizes: fewer cells there."""
    if name != "glass_blur" or size[0] < 100:
        return (1, 2, 3, 4, 5)
    return (2,) if size[0] > 300 else (1, 2, 5)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SUITE.corruptions)
def test_same_pixels(name: str, size: tuple[int, int]) -> None:
    image = picture(*size)
    found = {severity: difference(name, image, severity) for severity in severities(name, size)}
    assert max(found.values()) <= allowed(name), found


@pytest.mark.slow
@pytest.mark.parametrize("size", LARGE, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SUITE.corruptions)
def test_same_pixels_when_large(name: str, size: tuple[int, int]) -> None:
    image = picture(*size)
    chosen = (2,) if name == "glass_blur" else (1, 5)
    assert max(difference(name, image, severity) for severity in chosen) <= allowed(name)


@pytest.mark.parametrize("name", [name for name in SUITE.corruptions if name != "glass_blur"])
def test_same_pixels_over_draws_and_photos(name: str) -> None:
    files = sorted(PHOTO.rglob("*.jpg"))[:3]
    if not files:
        pytest.skip("no photos beside the repository")
    for file in files:
        image = cv2.resize(cv2.imread(str(file))[:, :, ::-1], (160, 120), interpolation=cv2.INTER_AREA)
        for severity in (1, 3, 4):
            assert difference(name, image, severity, file.stem) <= allowed(name), (file.name, severity)


def test_the_suite_is_exactly_the_reference() -> None:
    assert len(SUITE.corruptions) == 19
    assert set(SUITE.corruptions) == set(legacy._NAMES)


def test_engine_reference_is_seeded_and_differs_from_ours_by_draws_only() -> None:
    image = picture(64, 64)
    corruption = SUITE.corruptions["gaussian_noise"]
    first, second = (
        corrupt_image(image, corruption, (0, 1, 5), seed=3, sample_id="x", engine="reference")
        for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.array_equal(first[0], image)
    native = corrupt_image(image, corruption, (0, 1, 5), seed=3, sample_id="x")
    assert not np.array_equal(first[1], native[1])
    assert abs(first[2].astype(float).std() - native[2].astype(float).std()) < 3


def test_engine_reference_refuses_other_constants() -> None:
    from dataclasses import replace

    image = picture(64, 64)
    changed = replace(SUITE.corruptions["gaussian_noise"], levels=({"scale": 1.0},) * 5)
    with pytest.raises(UsageError, match="--engine reference"):
        corrupt_image(image, changed, (1,), seed=0, sample_id="x", engine="reference")
    with pytest.raises(UnknownNameError, match="Did you mean"):
        corrupt_image(image, SUITE.corruptions["fog"], (1,), seed=0, sample_id="x", engine="referenc")


def test_the_reference_leaves_other_libraries_alone() -> None:
    import skimage.filters

    before = (np.random.normal, skimage.filters.gaussian, hasattr(np, "float_"))
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    legacy.reference("fog", picture(40, 40), 3, np.random.RandomState(0))
    legacy.reference("impulse_noise", picture(40, 40), 3, np.random.RandomState(0))
    assert before == (np.random.normal, skimage.filters.gaussian, hasattr(np, "float_"))
    assert np.array_equal(np.random.get_state()[1], state)


def test_the_reference_is_thread_safe() -> None:
    image = picture(96, 96)
    names = ("gaussian_noise", "impulse_noise", "fog", "elastic_transform")
    alone = {name: legacy.reference(name, image, 3, np.random.RandomState(7)) for name in names}
    wrong: list[str] = []

    def work(name: str) -> None:
        for _ in range(3):
            if not np.array_equal(legacy.reference(name, image, 3, np.random.RandomState(7)), alone[name]):
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in names for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("photons", [3, 12, 60])
@pytest.mark.parametrize("level", [1, 100, 255])
def test_shot_noise_is_poisson(photons: int, level: int) -> None:
    """Chi-square of 40,000 inverted draws against Poisson(level / 255 * photons)."""
    operator = OPERATORS.get("shot_noise")
    levels = SUITE.corruptions["shot_noise"].levels
    image = np.full((115, 116, 3), level, dtype=np.uint8)
    bits = operator.sample(np.random.Generator(np.random.Philox(5)), image.shape[:2], levels)
    noisy = operator.apply(image, bits, {"photons": photons})
    rate = level / 255 * photons
    counts = np.arange(photons)  # below white; all larger counts are white
    expected = stats.poisson.pmf(counts, rate)
    grey = (counts / photons * 255).astype(np.uint8)
    observed = np.array([(noisy == value).sum() for value in grey])
    observed, expected = (
        np.append(observed, noisy.size - observed.sum()),
        np.append(expected, 1 - expected.sum()),
    )
    keep = expected * noisy.size >= 5
    observed, expected = observed[keep], expected[keep] * noisy.size
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, keep.sum() - 1) > 1e-3


def test_gaussian_noise_is_normal() -> None:
    """Kolmogorov-Smirnov of the draws against the normal distribution."""
    operator = OPERATORS.get("gaussian_noise")
    draws = operator.sample(np.random.Generator(np.random.Philox(6)), (128, 128), ())
    assert stats.kstest(draws.reshape(-1) / 255, "norm").pvalue > 1e-3
