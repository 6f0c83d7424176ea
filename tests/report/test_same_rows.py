"""A corruption that applies to some samples only: every number of its row is over those."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.report.measures import measure_runs
from mafs_bench.report.robustness_table import robustness_tables
from mafs_bench.report.summary import clean_tables, print_summary, remarks, summarise_run, summary_rows
from mafs_bench.runs.store import CellMeta, StoredRun, read_run, results_json, write_atomically, write_cell
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import get_task
from mafs_bench.types import Condition, Estimate
from tests.support.fake_run import write_run

SEVERITIES = (1, 3, 5)
HARD = range(0, 40, 4)
"""Positions of the captions to which the corruption applies; the model is bad at them, clean too."""


def partial_run(folder: Path, applicable: range = HARD) -> StoredRun:
    """A run in which ``keyboard`` applies to few captions, those at which the model is bad; ``noise`` to all."""
    run = read_run(write_run(folder, n=30, severities=SEVERITIES))
    results = []
    for cell in run.results:
        frame = run.frame(cell)
        captions = np.flatnonzero(frame["direction"] == "t2i")
        ranks = np.ones(len(captions))
        ranks[list(HARD)] = [1 if k % 2 else 9 for k in range(len(HARD))]
        ranks[list(HARD)[: cell.severity]] = 9.0
        if cell.corruption == "keyboard":
            ranks[[i for i in range(len(captions)) if i not in applicable]] = np.nan
        frame.loc[captions, "score"] = ranks
        condition = Condition(run.spec.suite, cell.corruption, cell.severity, 0)
        meta = CellMeta(
            cell.task, cell.dataset, cell.corruption, cell.severity, 0, cell.content_hash, cell.audit
        )
        write_cell(folder, meta, condition, frame)
        metrics = intervals(get_task(cell.task).metrics, frame, Resampling(frame["group"], n_resamples=100))
        results.append(replace(cell, metrics=metrics))
    write_atomically(folder / "results.json", results_json(results).encode())
    return read_run(folder)


def test_every_number_of_a_row_is_over_its_rows(tmp_path: Path) -> None:
    whole, partial = summarise_run(partial_run(tmp_path / "run"), n_resamples=100)
    assert (whole.corruption, partial.corruption) == ("gaussian_noise", "keyboard")
    assert (whole.n, whole.left_out, partial.n, partial.left_out) == (60, 0, 10, 50)
    assert partial.levels[0].value == 0.5  # of the ten captions; 0.917 of all sixty
    assert whole.levels[0].value == pytest.approx(55 / 60)
    for summary in (whole, partial):
        clean, *scores = [summary.levels[s].value for s in (0, *SEVERITIES)]
        assert {level.n for level in summary.levels.values()} == {summary.n}
        assert summary.mmi.value == pytest.approx(100 * (clean - np.mean(scores)) / clean)
        assert summary.relative.value == pytest.approx(np.mean(scores) / clean)
        assert min(scores) <= summary.auc.value <= clean
        assert summary.drops[5].value == pytest.approx(clean - scores[-1])


def test_the_headline_is_over_all_rows(tmp_path: Path) -> None:
    run = partial_run(tmp_path / "run")
    (table,) = clean_tables(run)
    headline = next(row for row in table.rows if row[0] == "t2i_r1")
    assert (headline[1].value, headline[2]) == (pytest.approx(55 / 60), 60)  # type: ignore[union-attr]


def test_rows_carry_n_and_few_are_marked(tmp_path: Path) -> None:
    summaries = summarise_run(partial_run(tmp_path / "run"), n_resamples=50)
    assert [row[1] for row in summary_rows(summaries, SEVERITIES)] == ["60", "10*"]
    (table,) = robustness_tables("toy", summaries, SEVERITIES)
    assert [row[:2] for row in table.rows] == [("gaussian_noise", "60"), ("keyboard", "10*")]


def test_nothing_applies(tmp_path: Path) -> None:
    summary = summarise_run(partial_run(tmp_path / "run", range(0)), n_resamples=50)[1]
    assert (summary.n, summary.levels[0].value, summary.mmi.value) == (0, None, None)
    assert summary_rows([summary], SEVERITIES)[0][1:3] == ["0*", "n/a"]


def test_means_over_corruptions_use_the_losses_of_their_own_rows(tmp_path: Path) -> None:
    run = partial_run(tmp_path / "run")
    (measured,) = measure_runs([run], ["toy"], n_resamples=50)
    whole, partial = summarise_run(run, n_resamples=50)
    clean = measured.values["clean"].value
    assert clean == pytest.approx(55 / 60)
    losses = {s: [one.levels[0].value - one.levels[s].value for one in (whole, partial)] for s in SEVERITIES}
    assert measured.values["worst_case"].value == pytest.approx(
        clean - max(max(pair) for pair in losses.values())
    )
    heights = [clean, *(clean - np.mean(losses[s]) for s in SEVERITIES)]
    area = np.trapezoid(heights, [0, *SEVERITIES]) / 5
    assert measured.values["severity_auc"].value == pytest.approx(area)
    impacts = [
        np.mean([one.drops[s].value for s in SEVERITIES]) / one.levels[0].value for one in (whole, partial)
    ]
    assert measured.values["mmi"].value == pytest.approx(np.mean(impacts))
    assert measured.values["relative_accuracy"].value == pytest.approx(1 - np.mean(impacts))


def test_a_run_without_corruptions_prints_its_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "run", corruptions=(), tasks=("retrieval", "vqa"))
    print_summary(folder, folder / "curves.png")
    printed = capsys.readouterr().out
    run = read_run(folder)
    for cell in run.results:
        for name, found in cell.metrics.items():
            assert found.value is None or f"{found.value:.3f}" in printed, name
    assert "MMI" not in printed


def test_a_primary_metric_that_is_undefined_is_in_the_table(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", corruptions=(), tasks=("vqa",)))
    undefined = Estimate(None, None, None, 0, 30)
    cells = tuple(replace(c, metrics={"accuracy": undefined, "ece": undefined}) for c in run.results)
    (table,) = clean_tables(replace(run, results=cells))
    assert table.rows == [("accuracy", undefined, 0)]


def test_a_remark_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", tasks=("vqa",))
    run = read_run(folder)
    cells = [replace(cell, audit={**cell.audit, "remark": "3 answers"}) for cell in run.results]
    write_atomically(folder / "results.json", results_json(cells).encode())
    assert remarks(read_run(folder)) == ["vqa: 3 answers"]
    print_summary(folder, folder / "curves.png")
    assert capsys.readouterr().out.count("3 answers") == 1
