"""Limits on images that are known before anything runs, and are on record."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import DataError, UsageError
from mafs_bench.report.commands import command_of
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.store import read_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    root.mkdir()
    for name, size in (("a.png", (64, 48)), ("wide.png", (9000, 40))):
        PIL.Image.new("RGB", size, "teal").save(root / name)
    (root / "mine.token").write_text("a.png#0\tone\na.png#1\ttwo\nwide.png#0\tthree\nwide.png#1\tfour\n")
    return root


def test_fog_on_a_panorama_is_refused_at_plan_time(folder: Path) -> None:
    request = RunRequest("chance", "contrast,fog", "1", dataset=str(folder), suite="core@1")
    with pytest.raises(
        DataError, match=r"wide\.png: fog on 9000x40 .* 1\.1 GB.*--suite core@2.*--on-error skip"
    ):
        make_plan(request)
    make_plan(RunRequest("chance", "contrast", "1", dataset=str(folder)))
    make_plan(RunRequest("chance", "fog", "1", dataset=str(folder), on_error="skip", suite="core@1"))
    out = folder.parent / "out"
    done = CliRunner().invoke(
        app,
        ["corrupt", "--dataset", str(folder), "--corruption", "fog", "--out", str(out), "--suite", "core@1"],
    )
    assert isinstance(done.exception, DataError)
    assert not out.exists()


def test_max_pixels_is_recorded_and_in_the_command(folder: Path) -> None:
    out = folder.parent / "run"
    options = [
        "--model",
        "chance",
        "--dataset",
        str(folder),
        "--corruption",
        "clean",
        "--out",
        str(out),
        "--quiet",
    ]
    done = CliRunner().invoke(app, ["run", *options, "--max-pixels", "300000"])
    assert isinstance(done.exception, DataError)
    assert "9000x40 is more than 300,000 pixels" in str(done.exception)
    done = CliRunner().invoke(
        app, ["run", *options[:-3], "--out", f"{out}2", "--quiet", "--max-pixels", "400000"]
    )
    assert done.exception is None
    run = read_run(Path(f"{out}2"))
    assert run.spec.max_pixels == 400_000
    assert "--max-pixels 400000" in command_of(run)
    assert run.spec.decoders["libjpeg"]
    with pytest.raises(UsageError, match="--max-pixels 0"):
        make_plan(RunRequest("chance", "clean", dataset=str(folder), max_pixels=0))
