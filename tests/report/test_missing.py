"""The missing-modality protocol: who lacks what, and its table."""

from pathlib import Path

import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import PairItem
from mafs_bench.corruptions.engine import plan_pairs
from mafs_bench.report.missing import missing_tables
from mafs_bench.report.summary import print_summary, summarise_run
from mafs_bench.runs.store import read_run
from tests.support.fake_run import write_run

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)


def test_each_sample_lacks_one_modality_at_the_rates_of_the_protocol() -> None:
    corruption = suites.load("missing@1").corruptions["imbalanced_dropout"]
    items = [PairItem(f"s{i}", f"s{i}", "a dog") for i in range(4000)]
    for severity, rate in enumerate(RATES, 1):
        plan = plan_pairs(items, corruption, severity, seed=0)
        assert (~plan.image_present).mean() == pytest.approx(rate, abs=0.02)
        assert (plan.text_present == ~plan.image_present).all()


def test_its_table_has_a_row_per_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("imbalanced_dropout", "image_dropout")
    folder = write_run(
        tmp_path / "run", suite="missing@1", corruptions=names, severities=(1, 2, 3, 4, 5), tasks=("vqa",)
    )
    run = read_run(folder)
    summaries = summarise_run(run, n_resamples=50)
    (table,) = missing_tables(run, summaries)
    assert [row[:2] for row in table.rows] == [(f"{eta:.1f}", f"{1 - eta:.1f}") for eta in RATES]
    assert [row[2] for row in table.rows] == [summaries[0].levels[s] for s in (1, 2, 3, 4, 5)]
    print_summary(folder, folder / "curves.png")
    assert "imbalanced missing rates" in capsys.readouterr().out


def test_other_runs_have_none(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"))
    assert missing_tables(run, summarise_run(run, n_resamples=50)) == []
