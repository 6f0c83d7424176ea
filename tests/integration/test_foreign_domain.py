"""A bundled model on photos: said in the title of the table and in the record, with what to take instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.cli import app
from mafs_bench.errors import WeightsError
from tests.support.toy import write_toy_folder

PUBLIC = {
    "clip": "clip:ViT-B-32/openai",
    "mafs-clip": "a 'mafs' fusion trained on clip:ViT-B-32/openai",
    "blip": "blip:base",
    "albef": "albef:FILE.pth, one of the checkpoints that salesforce/ALBEF links to",
}
PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "coco-mini"


def run(model: str, dataset: str, out: Path) -> tuple[str, list[str]]:
    """What is printed, in one line, and the notes of the record."""
    try:
        load(model, resolve_settings("cpu"))
    except WeightsError as error:
        pytest.skip(str(error))
    words = ["run", "--model", model, "--corruption", "brightness", "--severity", "1", "--dataset", dataset]
    done = CliRunner().invoke(app, [*words, "--task", "matching", "--limit", "4", "--out", str(out)])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split()), json.loads((out / "spec.json").read_text())["notes"]


@pytest.mark.parametrize("model", PUBLIC)
def test_on_a_folder_of_photos_title_and_record_say_so(model: str, tmp_path: Path) -> None:
    folder = write_toy_folder(tmp_path / "toy")
    said = f"{model} was made for scenes, and toy is of the domain photo; made for it is {PUBLIC[model]}"
    printed, notes = run(model, str(folder), tmp_path / "out")
    assert notes == [said]
    title, table, _ = printed.partition("matching: auroc")
    assert table
    assert f"{model} on toy (all), core@2 (frame 256), seed 0; {said}" in title


@pytest.mark.parametrize("model", ["clip", "blip", "albef"])
def test_on_real_photos_it_is_said_too(model: str, tmp_path: Path) -> None:
    if not PHOTOS.is_dir():
        pytest.skip("the shared photos are not here")
    printed, notes = run(model, str(PHOTOS), tmp_path / "out")
    assert notes[-1].endswith(f"of the domain photo; made for it is {PUBLIC[model]}")
    assert notes[-1] in printed


@pytest.mark.parametrize("dataset", ["scenes", "scenes:night"])
def test_on_scenes_nothing_is_said(dataset: str, tmp_path: Path) -> None:
    printed, notes = run("clip", dataset, tmp_path / "out")
    assert notes == []
    assert "was made for" not in printed
