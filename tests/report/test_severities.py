"""Severity calibration: mean drops over models, and corruptions that grade for none."""

from dataclasses import replace
from pathlib import Path

import pytest

from mafs_bench.report.severities import calibrate, calibration_table
from mafs_bench.report.summary import summarise_run
from mafs_bench.runs.store import read_run
from tests.support.fake_run import write_run


def test_drops_are_means_over_models_and_falling_curves_grade(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / name, model=name, skill=skill, corruptions=("gaussian_noise",), n=60))
        for name, skill in (("strong", 2.5), ("weak", 1.5))
    ]
    (found,) = calibrate(runs)
    drops = [s.drops[5].value for run in runs for s in summarise_run(run, 50)]
    assert found.drops[5] == pytest.approx(sum(drops) / 2)
    assert (found.graded, found.curves, found.does_not_grade) == (2, 2, False)


def test_a_corruption_that_falls_for_no_model_is_marked(tmp_path: Path) -> None:
    names = ("gaussian_noise", "keyboard")
    run = read_run(write_run(tmp_path / "run", corruptions=names, n=60, skill=2.5))
    swapped = {1: 5, 3: 3, 5: 1}  # keyboard gets milder
    frames = {(c.corruption, c.severity): c for c in run.results}

    def turned(cell):  # type: ignore[no-untyped-def]
        return replace(cell, severity=swapped[cell.severity]) if cell.corruption == "keyboard" else cell

    stored = {key: run.frame(cell) for key, cell in frames.items()}
    cells = sorted((turned(cell) for cell in run.results), key=lambda c: (c.corruption or "", c.severity))

    class Turned(type(run)):  # type: ignore[misc]
        def frame(self, cell):  # type: ignore[no-untyped-def]
            severity = swapped[cell.severity] if cell.corruption == "keyboard" else cell.severity
            return stored[cell.corruption, severity]

    found = {one.corruption: one for one in calibrate([Turned(run.path, run.spec, tuple(cells))])}
    assert found["keyboard"].does_not_grade
    assert not found["gaussian_noise"].does_not_grade
    rows = calibration_table(list(found.values())).rows
    assert [row[-1] for row in rows if row[0] == "keyboard"] == ["does not grade"]
