"""Decoding: every pixel format is converted as documented or refused in one line that names the file."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mafs_bench.datasets import images
from mafs_bench.datasets.images import FileImage, decode
from mafs_bench.errors import DataError


def save(folder: Path, picture: PIL.Image.Image, name: str = "a.png") -> Path:
    path = folder / name
    picture.save(path)
    return path


def test_rgb_is_read_as_stored(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 51, 3), dtype=np.uint8)
    assert np.array_equal(decode(save(tmp_path, PIL.Image.fromarray(pixels))), pixels)


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("L", 77, (77, 77, 77)),
    ("1", 1, (255, 255, 255)),
    ("LA", (0, 128), (127, 127, 127)),
    ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
    ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
    ("I;16", 257 * 200, (200, 200, 200)),
    ("I;16", 65535, (255, 255, 255)),
])  # fmt: skip
def test_conversions(tmp_path: Path, mode: str, colour: object, expected: tuple[int, ...]) -> None:
    image = decode(save(tmp_path, PIL.Image.new(mode, (5, 4), colour)))
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    assert np.array_equal(np.unique(image.reshape(-1, 3), axis=0), [expected])


def test_palette_with_transparency_is_laid_over_white(tmp_path: Path) -> None:
    picture = PIL.Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 9, 8, 7])
    picture.putpixel((0, 0), 1)
    picture.save(tmp_path / "p.png", transparency=0)
    image = decode(tmp_path / "p.png")
    assert image[0, 0].tolist() == [9, 8, 7]
    assert image[1, 1].tolist() == [255, 255, 255]


def test_cmyk(tmp_path: Path) -> None:
    image = decode(save(tmp_path, PIL.Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "c.tif"))
    assert image.min() == 255


def test_one_pixel(tmp_path: Path) -> None:
    assert decode(save(tmp_path, PIL.Image.new("RGB", (1, 1)))).shape == (1, 1, 3)


def test_refusals_name_the_file_in_one_line(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = save(tmp_path, PIL.Image.fromarray(pixels), "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    PIL.Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    PIL.Image.fromarray(np.full((4, 4), 1 << 20, dtype=np.int32)).save(tmp_path / "deep.tif")
    for name in ("cut.jpg", "text.png", "empty.png", "float.tif", "deep.tif", "missing.png"):
        with pytest.raises(DataError, match=name) as caught:
            decode(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        decode(tmp_path)


def test_decompression_bomb_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    path = save(tmp_path, PIL.Image.new("1", (9600, 9600)), "bomb.png")
    with pytest.raises(DataError, match=r"bomb.png: 9600x9600"):
        decode(path)
    monkeypatch.setattr(images.PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"bomb.png"):
        decode(path)
    assert not recwarn.list


def test_more_pixels_are_allowed_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.PIL.Image, "MAX_IMAGE_PIXELS", 89_478_485)
    path = save(tmp_path, PIL.Image.new("1", (20_000, 9_600)), "huge.png")  # more than twice Pillow's limit
    with pytest.raises(DataError, match=r"huge\.png.* 89,478,485 pixels \(--max-pixels N allows N\)"):
        decode(path)
    assert decode(path, max_pixels=200_000_000).shape == (9_600, 20_000, 3)
    small = save(tmp_path, PIL.Image.new("RGB", (40, 50)))
    with pytest.raises(DataError, match=r"40x50 is more than 1,999 pixels"):
        FileImage(str(small), 1_999).load()


def test_file_image_is_a_picklable_source(tmp_path: Path) -> None:
    path = save(tmp_path, PIL.Image.new("RGB", (8, 9), (1, 2, 3)))
    source = pickle.loads(pickle.dumps(FileImage(str(path))))
    assert source.name == str(path)
    assert source.load().shape == (9, 8, 3)
