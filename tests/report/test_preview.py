"""The contact sheet and the coloured edits show what the engine did."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.errors import DataError, UsageError
from mafs_bench.report.preview import choose, contact_sheet, example, text_edits, write_image

SUITE = suites.load("core@1")


def test_the_sheet_holds_every_cell() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    chosen = [SUITE.corruptions[name] for name in ("contrast", "fog")]
    sheet = contact_sheet(image, chosen, seed=5, tile=64)
    assert sheet.dtype == np.uint8
    cells = corrupt_image(image, chosen[1], (0, 3), seed=5, sample_id="preview")
    second_row = sheet.shape[0] - 68
    first_column = sheet.shape[1] - 6 * 52
    assert np.array_equal(sheet[second_row : second_row + 64, first_column : first_column + 48], cells[0])
    third = first_column + 3 * 52
    assert np.array_equal(sheet[second_row : second_row + 64, third : third + 48], cells[1])


def test_edits_are_marked() -> None:
    lines = text_edits("a brown dog runs over the wet grass", SUITE.corruptions["keyboard"], brackets=True)
    assert len(lines) == 5
    assert "[-" in lines[4].plain
    assert "{+" in lines[4].plain
    coloured = text_edits("a brown dog runs over the wet grass", SUITE.corruptions["keyboard"])[4]
    assert {str(span.style) for span in coloured.spans} == {"red strike", "green"}


def test_choice() -> None:
    images, texts = choose("core@1", "gaussian,keyboard", False, None, None)
    assert [c.name for c in images] == ["gaussian_noise"]
    assert [c.name for c in texts] == ["keyboard"]
    assert choose("core@1", None, True, None, "a text")[0] == []
    with pytest.raises(UsageError, match="either"):
        choose("core@1", None, False, None, None)
    with pytest.raises(UsageError, match="nothing to show"):
        choose("core@1", "pair_shuffle", False, None, None)


def test_command(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((40, 50, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    out = tmp_path / "sheet.png"
    arguments = [
        "preview",
        "--corruption",
        "noise",
        "--image",
        str(tmp_path / "photo.png"),
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "4 corruptions" in result.output
    with PIL.Image.open(out) as sheet:
        assert sheet.height == 28 + 4 * (128 + 4)
    text = CliRunner().invoke(app, ["preview", "--corruption", "char_delete", "--text", "two men walking"])
    assert text.exit_code == 0
    assert "5  " in text.output


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing.x\.png: cannot be written"):
        write_image(tmp_path / "missing" / "x.png", np.zeros((4, 4, 3), np.uint8))


def test_only_known_endings_are_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write \.gif; allowed: \.png, \.webp"):
        write_image(tmp_path / "x.gif", np.zeros((4, 4, 3), np.uint8))


def test_the_sheet_of_core_1_in_the_docs_is_what_its_command_makes() -> None:
    images = [c for c in SUITE.corruptions.values() if c.modality == "image"]
    with PIL.Image.open(Path(__file__).parents[2] / "docs" / "assets" / "core-1.webp") as stored:
        sheet = np.asarray(stored.convert("RGB"))
    picture, _, _ = example(None, None)
    made = contact_sheet(picture, images, tile=112)
    assert sheet.shape == made.shape
    small = [
        cv2.resize(one[28:], None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA) for one in (sheet, made)
    ]
    assert np.abs(np.subtract(*small, dtype=np.int16)).mean(axis=(1, 2)).max() < 6  # compressed with loss
