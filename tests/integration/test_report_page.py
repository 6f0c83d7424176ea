"""The report: what it holds, and that it stands alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mafs_bench.corruptions.engine import corrupt_image, corrupt_text
from mafs_bench.corruptions.suite import load
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import StoreError, UsageError
from mafs_bench.report.commands import command_of, severity_span
from mafs_bench.report.examples import embed, worst_examples
from mafs_bench.report.fusion_weights import fusion_curves
from mafs_bench.report.html import script_data
from mafs_bench.report.page import write_report
from mafs_bench.report.summary import print_summary
from mafs_bench.runs.store import StoredRun, read_run
from tests.support.fake_run import SUITE, write_run

N = 24


def _scenes_run(folder: Path, **changes: Any) -> StoredRun:
    """A made-up run whose ids, groups and revision are those of the scenes."""
    write_run(folder, tasks=("retrieval", "fused-retrieval"), n=N, **changes)
    data = resolve("scenes", "test", None, N)
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps({**spec, "revision": data.revision, "limit": N}))
    run = read_run(folder)
    for cell in run.results:
        frame = run.frame(cell)
        for column in ("id", "group"):
            numbers = frame[column].str.extract(r"[sg](\d+)(#\d+)?")
            frame[column] = "test-" + numbers[0].astype(int).astype(str) + numbers[1].fillna("")
        _overwrite(run, cell, frame)
    return run


def _overwrite(run: StoredRun, cell: object, frame: object) -> None:
    from mafs_bench.runs.store import cell_file, read_cell, write_cell
    from mafs_bench.types import Condition

    condition = Condition(run.spec.suite, cell.corruption, cell.severity, cell.seed)  # type: ignore[attr-defined]
    meta = read_cell(cell_file(run.path, cell.task, condition))[1]  # type: ignore[attr-defined]
    write_cell(run.path, meta, condition, frame)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    return _scenes_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    night = write_run(out / "night", dataset="scenes:night", skill=1.0, n=N, tasks=("retrieval",))
    return write_report([run.path, night], out / "made")[0]


def test_page_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []
    assert re.findall(r"@import|url\(", text) == []


def test_page_has_every_section(page: Path) -> None:
    text = page.read_text()
    for anchor in ("curves", "heat", "fusion", "measures", "gap", "examples", "manifest"):
        assert f'id="{anchor}"' in text
    assert "mafs-bench run --model clip --dataset scenes" in text
    assert "scenes (source) against scenes:night (target)" in text


def test_figures_and_tables_lie_beside_it(page: Path) -> None:
    figures = {file.suffix for file in (page.parent / "figures").iterdir()}
    tables = {file.name for file in (page.parent / "tables").iterdir()}
    assert figures == {".png", ".svg", ".pdf"}
    assert {f"1-clip-scenes-robustness{suffix}" for suffix in (".md", ".csv", ".tex")} <= tables
    assert r"\toprule" in (page.parent / "tables" / "1-clip-scenes-robustness.tex").read_text()


def test_same_runs_give_the_same_page(page: Path, run: StoredRun) -> None:
    kept = page.read_bytes()
    again = write_report([run.path, page.parent.parent / "night"], page.parent, figures=(".png",))[0]
    assert again.read_bytes() == kept


def test_examples_are_the_pixels_and_letters_of_the_run(run: StoredRun) -> None:
    found = worst_examples(run, None)
    data, suite = resolve("scenes", "test", None, N), load(SUITE)
    position = {sample.id: sample for sample in data.samples}
    assert {example.condition for example in found.shown} == {"gaussian_noise-5", "keyboard-5"}
    for example in found.shown:
        sample = position[example.id.split("#")[0]]
        name = example.condition.removesuffix("-5")
        assert example.score_corrupted > example.score_clean
        assert example.image_clean == embed(sample.image.load())
        if name == "gaussian_noise":
            (pixels,) = corrupt_image(
                sample.image.load(), suite.corruptions[name], (5,), seed=0, sample_id=sample.id
            )
            assert example.image_corrupted == embed(pixels)
            assert example.text_corrupted is None
        elif "#" in example.id:
            caption = sample.captions[int(example.id.split("#")[1])]
            (text,) = corrupt_text(caption, suite.corruptions[name], (5,), seed=0, sample_id=example.id)
            assert (example.text_clean, example.text_corrupted) == (caption, text)


def test_examples_of_other_data_are_refused(tmp_path: Path) -> None:
    found = worst_examples(read_run(write_run(tmp_path, n=N)), None)
    assert found.shown == ()
    assert found.left_out == ("scenes here is another revision than the run's",)


def test_examples_of_absent_data_say_why(tmp_path: Path) -> None:
    found = worst_examples(read_run(write_run(tmp_path, n=N, dataset="nothing")), None)
    assert "cannot be made again" in found.left_out[0]


def test_fusion_weights_are_means_of_the_record(run: StoredRun) -> None:
    curves = fusion_curves(run)
    assert set(curves) == {"fused-retrieval"}
    assert set(curves["fused-retrieval"]) == {"alpha_image", "alpha_text"}
    noise = next(c for c in curves["fused-retrieval"]["alpha_image"] if c.corruption == "gaussian_noise")
    cells = [
        c for c in run.results if c.task == "fused-retrieval" and c.corruption in (None, "gaussian_noise")
    ]
    means = [run.frame(cell)["alpha_image"].mean() for cell in cells]
    np.testing.assert_allclose(noise.values, means, rtol=1e-6)
    assert (noise.lows <= noise.values).all()
    assert (noise.values <= noise.highs).all()


def test_names_in_data_cannot_leave_the_script() -> None:
    assert "</script>" not in script_data({"x": "</script><script>alert(1)"})
    assert json.loads(script_data({"x": "a & b \u2028"})) == {"x": "a & b \u2028"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_data([float("nan")])


def test_command_repeats_the_run(run: StoredRun) -> None:
    assert command_of(run) == (
        "mafs-bench run --model clip --dataset scenes --split test --task retrieval --task fused-retrieval "
        f"--suite smoke@1 --corruption gaussian_noise,keyboard --severity 1,3,5 --seed 0 --limit {N}"
    )
    unusual = replace(run.spec, precision="bf16", engine="reference", on_error="skip")
    assert command_of(replace(run, spec=unusual)) == (
        f"{command_of(run)} --precision bf16 --engine reference --on-error skip"
    )
    assert [severity_span(s) for s in ((3,), (1, 2, 3), (1, 3))] == ["3", "1-3", "1,3"]


def test_the_printed_table_has_the_severities_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "run", severities=(1, 3), n=N)
    print_summary(folder, folder / "curves.png")
    heads = [line.split() for line in capsys.readouterr().out.splitlines() if "MMI%" in line]
    assert heads
    columns = ["corruption", "n", "clean", "1", "3", "MMI%", "RA", "AUC", "slope", "r-w", "w-r"]
    assert all(head == columns for head in heads)


def test_a_narrow_terminal_cuts_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    folder = write_run(tmp_path / "run", severities=(1, 2, 3, 4, 5), n=N)
    print_summary(folder, folder / "curves.png")
    printed = capsys.readouterr().out
    assert "AUC" in printed
    assert "…" not in printed


def test_joint_run_shows_its_grid_and_both_corruptions(tmp_path: Path) -> None:
    names = ("gaussian_noise", "keyboard", "gaussian_noise@1+keyboard")
    run = _scenes_run(tmp_path / "run", corruptions=names, severities=(1,))
    spec = json.loads((run.path / "spec.json").read_text())
    (run.path / "spec.json").write_text(json.dumps({**spec, "corruptions": names[:2]}))
    text = write_report([run.path], tmp_path / "out", figures=())[0].read_text()
    assert "super-additivity of t2i_r1" in text
    assert "--corruption joint:gaussian_noise+keyboard --severity 1" in text
    both = [e for e in worst_examples(read_run(run.path), None).shown if "+" in e.condition]
    assert any(e.image_corrupted is not None and e.text_corrupted is not None for e in both)


def test_clean_run_has_a_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", corruptions=(), n=N)
    text = write_report([run], tmp_path / "out")[0].read_text()
    assert "--corruption clean" in text


def test_no_run_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        write_report([], tmp_path)
    with pytest.raises(StoreError, match=r"no spec\.json"):
        write_report([tmp_path], tmp_path / "out")
