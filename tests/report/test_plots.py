"""Severity curves and their figures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mafs_bench.errors import UnknownNameError
from mafs_bench.report.curves import corruption_names, curves_of, task_names
from mafs_bench.report.plots import plot_curves


def _row(corruption: str | None, severity: int, value: float | None, task: str = "retrieval") -> dict:
    low = None if value is None else value - 0.05
    high = None if value is None else value + 0.05
    estimate = {"value": value, "low": low, "high": high, "n": 100, "n_unscored": 0}
    return {"task": task, "corruption": corruption, "severity": severity, "metrics": {"t2i_r1": estimate}}


def _rows(n_corruptions: int) -> list[dict]:
    rows = [_row(None, 0, 0.8)]
    for k in range(n_corruptions):
        rows += [_row(f"noise_{k}", severity, 0.8 - 0.02 * k - 0.05 * severity) for severity in (5, 1, 3)]
    return rows


def test_curves_start_clean_and_are_sorted() -> None:
    curve = curves_of(_rows(2), "retrieval")[1]
    assert curve.corruption == "noise_1"
    assert curve.severities.tolist() == [0, 1, 3, 5]
    np.testing.assert_allclose(curve.values, [0.8, 0.73, 0.63, 0.53])
    np.testing.assert_allclose(curve.highs - curve.lows, 0.1)
    assert curve.corrupted_mean == pytest.approx(0.63)


def test_unscored_is_a_hole_not_a_zero() -> None:
    rows = [_row(None, 0, 0.8), _row("fog", 1, None), _row("fog", 2, 0.6)]
    curve = curves_of(rows, "retrieval")[0]
    assert np.isnan(curve.values[1])
    assert curve.corrupted_mean == pytest.approx(0.6)


def test_clean_run_gives_one_point() -> None:
    (curve,) = curves_of([_row(None, 0, 0.8)], "retrieval")
    assert curve.severities.tolist() == [0]


def test_names_keep_their_order() -> None:
    assert task_names(_rows(1)) == ["retrieval"]
    assert corruption_names(_rows(3)) == ["noise_0", "noise_1", "noise_2"]


def test_unknown_task_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="retrieval"):
        curves_of([_row(None, 0, 0.8, task="retreival")], "retreival")


@pytest.mark.parametrize("n_corruptions", [0, 3, 12])
def test_png_shows_the_lines(tmp_path: Path, n_corruptions: int) -> None:
    path = tmp_path / "curves.png"
    plot_curves(_rows(n_corruptions), path, "a model")
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)
    blue = np.abs(pixels - [0x00, 0x72, 0xB2]).max(axis=1) < 8
    assert blue.sum() > 20
    assert (np.abs(pixels - 0xBB).max(axis=1) < 8).any() or n_corruptions <= 8


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_same_cells_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in "ab":
        plot_curves(_rows(2), tmp_path / f"{name}.{suffix}", "a model")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
