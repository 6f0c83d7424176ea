"""Panoramas: memory follows a bound that is known from the image's size, and beyond it images are refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image, refuse_size
from mafs_bench.corruptions.image import weather
from mafs_bench.corruptions.image.files import read_colour
from mafs_bench.errors import DataError

CORE = suites.load("core@1")
FOG, FROST = (CORE.select(name)[0] for name in ("fog", "frost"))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("band", [1, 100, 1 << 12, 1 << 30])
def test_fog_does_not_depend_on_how_many_rows_are_made_at_once(
    band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = corrupt_image(noise(70, 301), FOG, (1, 5), seed=0, sample_id="x")
    monkeypatch.setattr(weather, "_BAND", band)
    assert np.array_equal(corrupt_image(noise(70, 301), FOG, (1, 5), seed=0, sample_id="x"), expected)


def test_fog_takes_less_than_twice_its_map() -> None:
    image = noise(64, 2100)
    tracemalloc.start()
    corrupt_image(image, FOG, (1,), seed=0, sample_id="x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 4 * 4096**2  # it was 3.9 times


@pytest.mark.parametrize(("corruption", "size", "message"), [
    (FOG, (900, 9000), r"fog on 9000x900 pixels needs a map of 16,384 x 16,384 points, 1\.1 GB.*--suite core@2"),
    (FOG, (17000, 300), r"32,768 x 32,768 points, 4\.3 GB"),
    (FROST, (300, 30000), r"frost on 30000x300 pixels needs a texture of .* GB.*--suite core@2"),
])  # fmt: skip
def test_beyond_a_gigabyte_an_image_is_refused(corruption, size: tuple[int, int], message: str) -> None:
    image = np.broadcast_to(np.zeros(3, dtype=np.uint8), (*size, 3))
    with pytest.raises(DataError, match=message) as raised:
        corrupt_image(image, corruption, (1,), seed=0, sample_id="wide.jpg")
    assert str(raised.value).startswith("wide.jpg: ")


@pytest.mark.parametrize("corruption", [FOG, FROST])
def test_common_sizes_are_not_refused(corruption) -> None:
    assert refuse_size(corruption, (8192, 6144)) is None


def test_files_with_names_in_any_script(tmp_path: Path) -> None:
    import cv2

    image = noise(40, 50)
    path = tmp_path / "Стиль 絵 é.png"
    path.write_bytes(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
    assert np.array_equal(read_colour(path, "the style"), image)
    for raw in (b"", b"no image"):
        path.write_bytes(raw)
        with pytest.raises(DataError, match="the style cannot be read"):
            read_colour(path, "the style")
