"""What is printed comes from the per-sample records, and an edited results.json is named."""

import json

import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import StoreError
from mafs_bench.report.page import write_report
from mafs_bench.report.recompute import edited_line, recompute
from mafs_bench.runs.store import read_run, results_json
from mafs_bench.version import __version__
from tests.support.fake_run import write_run


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path / "run", n=25, tasks=("retrieval", "vqa"), severities=(1,))
    spec = json.loads((tmp_path / "run" / "spec.json").read_text("utf-8"))
    spec["packages"]["mafs-bench"] = __version__
    (tmp_path / "run" / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    as_a_run_does = recompute(read_run(tmp_path / "run")).run.results  # the stand-in draws fewer resamples
    (tmp_path / "run" / "results.json").write_text(results_json(list(as_a_run_does)), encoding="utf-8")
    return tmp_path / "run"


def edit(folder, change):
    file = folder / "results.json"
    cells = json.loads(file.read_text("utf-8"))
    change(cells)
    file.write_text(json.dumps(cells), encoding="utf-8")


def better(cells):
    cells[0]["metrics"]["t2i_r1"]["value"] = 0.99


def test_an_edited_value_is_named_and_not_used(folder):
    honest = read_run(folder).results[0].metrics["t2i_r1"].value
    edit(folder, better)
    recomputed = recompute(read_run(folder))
    assert recomputed.run.results[0].metrics["t2i_r1"].value == pytest.approx(honest)
    (line,) = recomputed.differences
    assert line == f"retrieval clean: t2i_r1 is 0.99 (n = 50) there and {honest:.4g} (n = 50) by the records"
    assert edited_line(recomputed.run, [line]).startswith(
        f"{folder / 'results.json'} was edited or is damaged"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells.pop(), "it leaves out vqa keyboard-1"),
        (
            lambda cells: cells[1].update(content_hash="0" * 64),
            "retrieval gaussian_noise-1: another data set",
        ),
        (lambda cells: cells[0]["metrics"]["rsum"].update(n=1000), "retrieval clean: rsum is"),
        (lambda cells: cells[0]["metrics"]["rsum"].update(value=None), "rsum is n/a there and"),
        (lambda cells: cells[0]["metrics"]["t2i_r1"].update(low=0.0), "t2i_r1 has another interval"),
        (
            lambda cells: cells[0]["metrics"]["t2i_r1"].update(low=None, high=None),
            "t2i_r1 has another interval",
        ),
        (
            lambda cells: cells[0]["metrics"].update(best=cells[0]["metrics"]["rsum"]),
            "best, which is no metric",
        ),
    ],
)
def test_every_edit_is_named(folder, change, message):
    edit(folder, change)
    recomputed = recompute(read_run(folder))
    assert len(recomputed.differences) == 1
    assert message in recomputed.differences[0]
    assert len(recomputed.run.results) == 6


def test_a_cell_without_records_is_refused(folder):
    (folder / "cells" / "vqa--clean.parquet").unlink()
    with pytest.raises(StoreError, match=r"no per-sample records of vqa clean, which results\.json lists"):
        recompute(read_run(folder))


def test_the_report_shows_the_records_and_names_the_edited_file(folder, tmp_path):
    edit(folder, better)
    told = []
    page, *others = write_report([folder], tmp_path / "report", figures=(), note=told.append)
    assert len(told) == 1
    assert "results.json was edited or is damaged: retrieval clean: t2i_r1 is 0.99" in told[0]
    text = page.read_text(encoding="utf-8")
    assert "was edited or is damaged" in text
    tables = "".join(file.read_text(encoding="utf-8") for file in others)
    assert "0.99" not in tables


def test_the_command_names_it_on_stderr(folder, tmp_path, monkeypatch):
    edit(folder, better)
    monkeypatch.setattr("mafs_bench.report.page.FIGURE_SUFFIXES", ())
    done = CliRunner().invoke(app, ["report", str(folder), "--out", str(tmp_path / "report")])
    assert done.exit_code == 0
    assert "was edited or is damaged" in done.stderr
