"""Odd image files are read as a viewer shows them: turned, in sRGB, with every kind of 16-bit grey."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageCms
import pytest

from mafs_bench.datasets.images import decode, decoder_versions, image_size
from mafs_bench.errors import DataError
from tests.support.icc import ADOBE_RGB, grey_in_srgb, grey_profile, in_srgb, rgb_profile

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "pictures" / "make_pictures.py"
Pixels = npt.NDArray[np.uint8]

COLOURS: Pixels = np.random.default_rng(3).integers(0, 256, (8, 12, 3), dtype=np.uint8)
RAMP = np.linspace(0, 65535, 96).reshape(8, 12).astype(np.uint16)
RAMP_IN_8_BITS: Pixels = np.repeat(np.rint(RAMP / 257).astype(np.uint8)[:, :, None], 3, axis=2)


def exif(orientation: int) -> PIL.Image.Exif:
    made = PIL.Image.Exif()
    made[0x0112] = orientation
    return made


def turned(stored: Pixels, orientation: int) -> Pixels:
    """What EXIF 2.32 says of tag 274: where the stored row 0 and column 0 are to be seen."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(stored),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "webp", "tif", "jpg"])
def test_exif_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / f"turned.{kind}"
    settings = {"webp": {"lossless": True}, "jpg": {"quality": 95}}.get(kind, {})
    PIL.Image.fromarray(COLOURS).save(path, exif=exif(orientation), **settings)
    with PIL.Image.open(path) as opened:
        stored = np.asarray(opened) if kind == "jpg" else COLOURS
    image = decode(path)
    assert np.array_equal(image, turned(stored, orientation))
    assert image_size(path) == (image.shape[1], image.shape[0])


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_size_is_read_from_the_first_bytes(tmp_path: Path, kind: str, orientation: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    made = exif(orientation) if orientation > 1 else None
    PIL.Image.fromarray(noise).save(tmp_path / f"whole.{kind}", **({"exif": made} if made else {}))
    cut = tmp_path / f"cut.{kind}"
    whole = (tmp_path / f"whole.{kind}").read_bytes()
    cut.write_bytes(whole if kind == "webp" else whole[: len(whole) // 4])
    assert image_size(cut) == ((300, 400) if orientation > 1 else (400, 300))


def test_broken_exif_leaves_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    PIL.Image.fromarray(COLOURS).save(path, exif=b"Exif\0\0MM\0*\0\0\xff\xff\0\x01")
    assert np.array_equal(decode(path), COLOURS)


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
def test_wide_gamut_becomes_srgb(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"adobe.{kind}"
    settings = {"lossless": True} if kind == "webp" else {}
    PIL.Image.fromarray(COLOURS).save(path, icc_profile=rgb_profile(ADOBE_RGB, 2.2), **settings)
    expected = in_srgb(COLOURS, ADOBE_RGB, 563 / 256)
    image = decode(path).astype(int)
    assert np.abs(expected.astype(int) - COLOURS).max() > 20
    assert np.abs(image - expected).max() <= 3
    assert np.abs(image - expected).mean() < 0.5


def test_a_profile_and_transparency(tmp_path: Path) -> None:
    pixels = np.dstack([COLOURS, np.full(COLOURS.shape[:2], 255, np.uint8)])
    pixels[:4, :, 3] = 0
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=rgb_profile(ADOBE_RGB, 2.2))
    image = decode(tmp_path / "a.png").astype(int)
    assert (image[:4] == 255).all()
    assert np.abs(image[4:] - in_srgb(COLOURS[4:], ADOBE_RGB, 563 / 256)).max() <= 3


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_grey_profile(tmp_path: Path, mode: str) -> None:
    values = RAMP if mode == "I;16" else RAMP_IN_8_BITS[:, :, 0].copy()
    PIL.Image.fromarray(values).save(tmp_path / "grey.png", icc_profile=grey_profile(1.8))
    expected = grey_in_srgb(RAMP_IN_8_BITS[:, :, 0], round(1.8 * 256) / 256).astype(int)
    assert np.abs(decode(tmp_path / "grey.png") - expected[:, :, None]).max() <= 1


@pytest.mark.parametrize("profile", [
    PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes(),
    grey_profile(1.0),
    rgb_profile(ADOBE_RGB, 2.2)[:200],
    b"no profile",
], ids=["sRGB", "of grey pixels", "cut", "nonsense"])  # fmt: skip
def test_a_profile_of_srgb_or_of_nothing_leaves_the_pixels(tmp_path: Path, profile: bytes) -> None:
    PIL.Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(decode(tmp_path / "a.png"), COLOURS)


def write_png(path: Path, values: npt.NDArray[np.uint16], transparent: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", struct.pack(">H", transparent))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_16_bit_grey_with_a_transparent_value(tmp_path: Path) -> None:
    values = RAMP.copy()
    values[:3] = 300
    write_png(tmp_path / "a.png", values, transparent=300)
    expected = RAMP_IN_8_BITS.copy()
    expected[:3] = 255
    assert np.array_equal(decode(tmp_path / "a.png"), expected)


def write_tiff(path: Path, values: npt.NDArray[np.uint16], photometric: int, order: str) -> None:
    """One strip of 16-bit grey, uncompressed (TIFF 6.0), in byte order "<" or ">"."""
    tags = [(256, values.shape[1]), (257, values.shape[0]), (258, 16), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, values.shape[0]), (279, values.nbytes)]
    data = values.astype(f"{order}u2").tobytes()
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    path.write_bytes(
        (b"II*\0" if order == "<" else b"MM\0*")
        + struct.pack(f"{order}I", 8 + len(data))
        + data
        + struct.pack(f"{order}H", len(tags))
        + entries
        + b"\0" * 4
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_16_bit_tiff_counts_from_white_or_from_black(tmp_path: Path, photometric: int, order: str) -> None:
    write_tiff(tmp_path / "a.tif", RAMP, photometric, order)
    expected = RAMP_IN_8_BITS if photometric else 255 - RAMP_IN_8_BITS
    assert np.array_equal(decode(tmp_path / "a.tif"), expected)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    smooth = np.dstack([np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))] * 3)
    heif.from_bytes(mode="RGB", size=(64, 48), data=smooth.tobytes()).save(
        tmp_path / "photo.heic", quality=100
    )
    code = f"from mafs_bench.datasets.images import decode; print(decode({str(tmp_path / 'photo.heic')!r}).shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(48, 64, 3)"
    assert np.abs(decode(tmp_path / "photo.heic").astype(int) - smooth).max() <= 6
    assert decoder_versions()["pillow-heif"] == heif.__version__


def test_heic_names_the_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    raw = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99
    (tmp_path / "photo.jpg").write_bytes(raw)  # phones name them so
    for file in (tmp_path / "photo.jpg", io.BytesIO(raw)):
        with pytest.raises(DataError, match=r"photo\.jpg: HEIC needs .*mafs-bench\[heif\]"):
            decode(file, "photo.jpg")


def test_decoder_versions_are_what_pillow_reports() -> None:
    found = decoder_versions()
    assert found["pillow"] == PIL.__version__
    assert found["libjpeg"]
    assert all(isinstance(version, str) for version in found.values())


LOSSY = {"cmyk.jpg": 3, "l.jpg": 3, "lab.tif": 7, "ycc.tif": 3, "two.mpo": 60, "x.avif": 60}
"""Levels by which single pixels may differ from the original: these formats subsample or round colour."""

HIGH_BYTE = {"ga16.png": 1, "rgb16.png": 1, "rgb16.tif": 1, "rgba16.png": 1}
"""16-bit colour is cut to its high byte, where the right value is rounded."""

REFUSED = {
    "float.tif": "not an image",
    "html.jpg": "not an image",
    "trunc.jpg": "truncated",
    "trunc_last.jpg": "truncated",
    "x.heic": "HEIC|not an image",
    "zero.jpg": "not an image",
}


@pytest.mark.skipif(not CASES.is_file(), reason="the shared cases are not here")
def test_shared_odd_files(tmp_path: Path) -> None:
    pytest.importorskip("tifffile")
    pytest.importorskip("skimage")
    subprocess.run([sys.executable, str(CASES), str(tmp_path)], check=True, capture_output=True)
    files = sorted(path for path in tmp_path.iterdir() if not path.name.startswith("expect_"))
    faults = {}
    for path in files:
        expected = tmp_path / f"expect_{path.name}.npy"
        if path.name in REFUSED:
            with pytest.raises(DataError, match=REFUSED[path.name]):
                decode(path)
        elif expected.is_file() and path.name != "x.ico":  # Pillow stores an icon of at most 64 pixels there
            difference = np.abs(decode(path).astype(int) - np.load(expected))
            if difference.max() > LOSSY.get(path.name, HIGH_BYTE.get(path.name, 0)) or difference.mean() > 3:
                faults[path.name] = (int(difference.max()), float(difference.mean()))
        else:
            decode(path)
    assert len(files) >= 40
    assert not faults
