"""One number of a run: families weigh equally, what changes the meaning does not count, rows are brought to all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mafs_bench as mb
from mafs_bench.report.overall import flip_tables, overall, overall_lines, overall_tables
from mafs_bench.report.summary import CurveSummary, summarise_run
from mafs_bench.runs.store import StoredRun, read_run
from tests.report.test_same_rows import partial_run
from tests.support.fake_run import write_run

SEVERITIES = (1, 3, 5)


def run_of(
    folder: Path, *names: str, tasks: tuple[str, ...] = ("retrieval",)
) -> tuple[StoredRun, list[CurveSummary]]:
    run = read_run(write_run(folder, corruptions=names, severities=SEVERITIES, tasks=tasks))
    return run, summarise_run(run, n_resamples=50)


def mean_of(summary: CurveSummary) -> float:
    return float(np.mean([summary.levels[s].value for s in SEVERITIES]))


def test_families_weigh_equally_and_the_plain_mean_stands_beside(tmp_path: Path) -> None:
    run, summaries = run_of(tmp_path / "run", "gaussian_noise", "char_delete", "ocr", "negation")
    of_core = replace(run, spec=replace(run.spec, suite="core@1"))
    found = overall(of_core, summaries)
    assert found is not None
    noise, delete, ocr = (mean_of(summary) for summary in summaries[:3])
    assert found.n_corruptions == 3  # negation changes the meaning
    assert found.plain.value == pytest.approx((noise + delete + ocr) / 3)
    assert found.balanced is not None
    assert found.balanced.value == pytest.approx((noise + (delete + ocr) / 2) / 2)
    assert {name: one.value for name, one in found.families.items()} == {
        "noise": pytest.approx(noise),
        "text-char": pytest.approx((delete + ocr) / 2),
    }
    assert "2 families equally" in overall_lines(found)[0]


def test_without_the_suite_there_is_no_balanced_mean(tmp_path: Path) -> None:
    run, summaries = run_of(tmp_path / "run", "gaussian_noise", "char_delete")
    found = overall(replace(run, spec=replace(run.spec, suite="gone@1")), summaries)
    assert found is not None
    assert found.balanced is None
    assert found.families == {}
    assert overall_lines(None) == []


def test_rows_of_a_corruption_that_applies_to_some_are_brought_to_all(tmp_path: Path) -> None:
    run = partial_run(tmp_path / "run")
    summaries = summarise_run(run, n_resamples=50)
    found = overall(run, summaries)
    assert found is not None
    whole, partial = summaries
    loss = partial.levels[0].value - mean_of(partial)
    assert found.families["text-char"].value == pytest.approx(whole.levels[0].value - loss)
    assert found.worst == min(summaries, key=lambda s: s.mean.value).corruption


def test_flips_stand_in_the_report_where_rows_are_right_or_wrong(tmp_path: Path) -> None:
    run, summaries = run_of(
        tmp_path / "run", "gaussian_noise", "keyboard", tasks=("retrieval", "vqa", "matching", "captioning")
    )
    tables = {table.title.partition(":")[0]: table for table in flip_tables(summaries)}
    assert set(tables) == {"retrieval", "vqa", "matching"}
    assert len(tables["retrieval"].rows) == 2 * len(SEVERITIES)
    retrieval = [s for s in summaries if s.task == "retrieval"]
    for row, (summary, severity) in zip(
        tables["retrieval"].rows, [(s, k) for s in retrieval for k in SEVERITIES], strict=True
    ):
        assert row[3].value - row[4].value == pytest.approx(summary.drops[severity].value)  # type: ignore[union-attr]
    assert all(row[5].value == 1.0 for row in tables["vqa"].rows)  # type: ignore[union-attr]
    assert all(row[5] is None for row in tables["matching"].rows)
    (means,) = overall_tables(run, summaries)
    assert {row[0] for row in means.rows} == {f"{s.task}, {s.metric}" for s in summaries}


def test_the_python_interface_gives_the_same_numbers(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path / "run", "gaussian_noise", "keyboard")
    frame, means = mb.load_run(run.path).robustness(), mb.load_run(run.path).means()
    summaries = summarise_run(run)
    assert frame["slope"].tolist() == [s.slope.value for s in summaries]
    assert frame["first_drop"].tolist() == [s.first_drop for s in summaries]
    assert frame["destructive"].tolist() == [
        s.mean_flips.destructive.value for s in summaries if s.mean_flips
    ]
    found = overall(run, summaries)
    assert found is not None
    assert means.loc[0, ["balanced", "plain", "worst"]].tolist() == [
        found.balanced.value,
        found.plain.value,
        found.worst,
    ]
