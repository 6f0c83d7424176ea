"""Style transfer with random weights in the layout of the usual PyTorch port of AdaIN."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.corruptions.image import style
from mafs_bench.corruptions.operator_check import example_image
from mafs_bench.errors import UsageError
from mafs_bench.runs.record import assets_of

BLOCK = suites.load("mm-robustness-2022@2").corruptions["stylize"]
ENCODER = {0: (3, 3, 1), 2: (3, 64, 3), 5: (64, 64, 3), 9: (64, 128, 3), 12: (128, 128, 3), 16: (128, 256, 3),
           19: (256, 256, 3), 22: (256, 256, 3), 25: (256, 256, 3), 29: (256, 512, 3)}  # fmt: skip
DECODER = {1: (512, 256, 3), 5: (256, 256, 3), 8: (256, 256, 3), 11: (256, 256, 3), 14: (256, 128, 3),
           18: (128, 128, 3), 21: (128, 64, 3), 25: (64, 64, 3), 28: (64, 3, 3)}  # fmt: skip
"""Number of a layer: its channels in and out, and its kernel; VGG-19's further layers are in the file and not read."""


def state(layers: dict[int, tuple[int, int, int]], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for number, (given, out, kernel) in layers.items():
        scale = (2 / (given * kernel**2)) ** 0.5
        made[f"{number}.weight"] = scale * torch.randn(out, given, kernel, kernel, generator=generator)
        made[f"{number}.bias"] = torch.zeros(out)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAFS_BENCH_ADAIN", str(tmp_path))
    for cached in (style._networks, style._styles, style._style_of):
        cached.cache_clear()
    further = {"32.weight": torch.zeros(512, 512, 3, 3)}
    torch.save(state(ENCODER, 0) | further, tmp_path / "vgg_normalised.pth")
    torch.save(state(DECODER, 1), tmp_path / "decoder.pth")
    (tmp_path / "styles").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(tmp_path / "styles" / name), rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    monkeypatch.setattr(style, "_STYLE_SIDE", 64)
    return tmp_path


def test_shape_and_input_are_kept_and_severities_differ(folder: Path) -> None:
    image = example_image(45, 33)
    before = image.copy()
    made = corrupt_image(image, BLOCK, (0, 1, 3, 5), seed=0, sample_id="a")
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(made[0], image)
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in made)
    again = corrupt_image(image, BLOCK, (5,), seed=0, sample_id="a")[0]
    np.testing.assert_array_equal(made[3], again)
    assert (made[1] != made[3]).any()


def test_the_style_is_the_samples_own(folder: Path) -> None:
    image = example_image(40, 40)
    made = {corrupt_image(image, BLOCK, (5,), seed=0, sample_id=str(i))[0].tobytes() for i in range(8)}
    assert len(made) == 2  # as many as there are styles


def test_statistics_are_instance_normalisations(folder: Path) -> None:
    features = torch.randn(1, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    mean, deviation = style._statistics(features)
    places = 6 * 7
    expected = torch.nn.functional.instance_norm(features) * ((places - 1) / places) ** 0.5
    torch.testing.assert_close((features - mean) / deviation, expected, atol=1e-4, rtol=1e-4)


def test_without_weights_it_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "decoder.pth").write_bytes(b"no weights")
    with pytest.raises(
        UsageError, match=r"stylize is not available: .*decoder.pth cannot be loaded"
    ) as refused:
        corrupt_image(example_image(40, 40), BLOCK, (1,), seed=0, sample_id="a")
    assert "\n" not in str(refused.value)
    monkeypatch.delenv("MAFS_BENCH_ADAIN")
    with pytest.raises(UsageError, match=r"name a folder with vgg_normalised\.pth"):
        corrupt_image(example_image(40, 40), BLOCK, (1,), seed=0, sample_id="a")


def test_weights_and_styles_are_hashed_for_the_record(folder: Path) -> None:
    recorded = assets_of([BLOCK])
    assert recorded.keys() == {"adain", "adain styles"}
    style._digest.cache_clear()
    torch.save(state(DECODER, 2), folder / "decoder.pth")
    changed = assets_of([BLOCK])
    assert changed["adain"] != recorded["adain"]
    assert changed["adain styles"] == recorded["adain styles"]
    assert assets_of(suites.load("core@1").corruptions.values()) == {}
