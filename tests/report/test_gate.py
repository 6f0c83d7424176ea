"""The gate's three outcomes, and what it refuses."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import StoreError, UnknownNameError, UsageError
from mafs_bench.report import gate
from mafs_bench.report.baseline import read_baseline, write_baseline
from mafs_bench.report.gate import Verdict
from mafs_bench.report.gate_output import gate_table, headline
from mafs_bench.runs.store import read_cell, read_run, write_cell
from mafs_bench.types import Condition
from tests.support.fake_run import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    write_run(folder / "old", n=400)
    write_run(folder / "unchanged", n=400)
    write_run(folder / "better", n=400, skill=2.02)
    write_run(folder / "worse", n=400, skill=1.7)
    write_run(folder / "few-old", n=25)
    write_run(folder / "few-new", n=25, model="blip")
    write_run(folder / "other-data", n=400, dataset="scenes:night")
    for name in ("old", "few-old"):
        write_baseline(read_run(folder / name), folder / f"{name}.baseline")
    return folder


def check(folder, name, baseline="old", **options):
    return gate.check_run(read_run(folder / name), read_baseline(folder / f"{baseline}.baseline"), **options)


def test_a_baseline_is_the_whole_run(folder):
    run, baseline = read_run(folder / "old"), read_baseline(folder / "old.baseline")
    assert baseline.spec == run.spec
    for cell in run.results:
        stored = baseline.frames[cell.task][cell.corruption, cell.severity]
        pd.testing.assert_frame_equal(stored, run.frame(cell))


@pytest.mark.parametrize("name", ["better", "unchanged"])
def test_no_regression_passes(folder, name):
    result = check(folder, name)
    assert result.verdict is Verdict.PASS
    assert [(claim.part, claim.verdict) for claim in result.claims] == [
        ("clean", Verdict.PASS),
        ("corrupted, mean", Verdict.PASS),
    ]
    assert headline(result) == "pass: clip against clip, margin 1 points, alpha 0.05"


def test_a_planted_regression_is_found(folder):
    result = check(folder, "worse")
    assert result.verdict is Verdict.REGRESSION
    assert all(claim.p_broken < 0.01 < 0.5 < claim.p_holds for claim in result.claims)
    assert check(folder, "worse", margin=20).verdict is Verdict.PASS


def test_too_few_samples_are_inconclusive_and_say_how_many_would_do(folder):
    result = check(folder, "few-new", "few-old")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert all(claim.needed > claim.n_clusters == 25 for claim in result.claims)
    assert "would decide" in gate_table(result).shown()[0][-1]


def test_a_few_hits_alike_prove_nothing_though_nothing_seems_to_change(folder, tmp_path):
    """All hits stay hits, so that the bootstrap sees no spread; yet the ranks are others."""
    for name, skill in (("old", 50.0), ("new", 50.0)):
        write_run(tmp_path / name, n=25, skill=skill)
    for cell in read_run(tmp_path / "new").results:
        condition = Condition("smoke@1", cell.corruption, cell.severity, cell.seed)
        path = tmp_path / "new" / "cells" / f"retrieval--{condition.label}.parquet"
        frame, meta = read_cell(path)
        frame.loc[frame["direction"] == "i2t", "score"] = 2.0
        write_cell(tmp_path / "new", meta, condition, frame)
    write_baseline(read_run(tmp_path / "old"), tmp_path / "old.baseline")
    result = check(tmp_path, "new", "old")
    clean = result.claims[0]
    assert clean.change.value == 0.0
    assert clean.p_holds == 1.0  # .99 ** 25, twice
    assert result.verdict is Verdict.INCONCLUSIVE
    assert 0.99**clean.needed <= 0.025 < 0.99 ** (clean.needed - 1)


def test_rows_that_are_lost_allow_no_pass(folder, tmp_path):
    write_run(tmp_path / "new", n=400)
    path = tmp_path / "new" / "cells" / "retrieval--clean.parquet"
    frame, meta = read_cell(path)
    frame.loc[3:7, "score"] = np.nan
    write_cell(tmp_path / "new", meta, Condition("smoke@1", None, 0, 0), frame)
    result = gate.check_run(read_run(tmp_path / "new"), read_baseline(folder / "old.baseline"))
    assert result.claims[0].lost == 5
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("5 rows that the baseline scored are unscored" in note for note in gate_table(result).notes)


def test_metrics_can_be_chosen_and_a_lower_one_may_be_better(folder):
    result = check(folder, "worse", metrics=("rsum", "mrr"))
    assert [claim.metric for claim in result.claims] == ["rsum", "rsum", "mrr", "mrr"]
    with pytest.raises(
        UnknownNameError, match=r"unknown metric of .*old.baseline 'rsun'. Did you mean 'rsum'"
    ):
        check(folder, "worse", metrics=("mrr", "rsun"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("other-data", {}, "dataset is 'scenes:night' there, 'scenes' here"),
        ("old", {"margin": 0.0}, "--margin 0.0: allowed"),
        ("old", {"alpha": 0.5}, "--alpha 0.5: allowed"),
    ],
)
def test_what_cannot_be_checked_is_refused(folder, name, options, message):
    with pytest.raises(UsageError, match=message):
        check(folder, name, **options)


def test_cells_that_are_missing_are_named(folder, tmp_path):
    write_run(tmp_path / "part", n=400, corruptions=("gaussian_noise",))
    with pytest.raises(UsageError, match="lacks cells of the baseline: retrieval keyboard-1, keyboard-3"):
        gate.check_run(read_run(tmp_path / "part"), read_baseline(folder / "old.baseline"))


def test_what_is_no_baseline_is_named(folder, tmp_path):
    with pytest.raises(StoreError, match="no such file; mafs-bench baseline RUN"):
        read_baseline(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(StoreError, match="is not a baseline"):
        read_baseline(tmp_path / "text")
    with pytest.raises(StoreError, match="is not a baseline"):
        read_baseline(folder / "old" / "cells" / "retrieval--clean.parquet")


def test_error_rates_of_the_gate():
    """A model exactly at the margin: claimed worse, or good, in at most alpha of the worlds each."""
    rng = np.random.default_rng(0)
    verdicts = [_verdict_of_a_world(rng) for _ in range(200)]
    for verdict in (Verdict.PASS, Verdict.REGRESSION):
        assert np.mean([v is verdict for v in verdicts]) < 0.05 + 0.04  # sampling error of 200 worlds


def _verdict_of_a_world(rng):
    from mafs_bench.stats import Resampling, combine, mean_of, replicate_paired, robustness

    n = 60
    base = pd.DataFrame({"id": [f"s{i}" for i in range(n)], "group": [f"g{i}" for i in range(n)]})
    old = base.assign(score=rng.normal(size=n))
    new = base.assign(score=old["score"] - 0.01 + 0.02 * rng.normal(size=n))
    pair = replicate_paired(mean_of(), (new, old), Resampling(base["group"], 300))
    change = combine(robustness.drop, *pair)
    return gate._verdicts([gate._Open(mean_of(), "", pair[1], pair[0], change, 0, False)], 0.01, 0.05)[
        0
    ].verdict


@pytest.mark.parametrize(
    ("name", "baseline", "code", "counts"),
    [
        ("better", "old", 0, ("0", "0")),
        ("worse", "old", 1, ("2", "0")),
        ("few-new", "few-old", 2, ("0", "2")),
    ],
)
def test_the_command_ends_as_the_gate_does(folder, tmp_path, monkeypatch, name, baseline, code, counts):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    stored = str(tmp_path / "stored.baseline")
    runner = CliRunner()
    assert runner.invoke(app, ["baseline", str(folder / baseline), "--out", stored]).exit_code == 0
    options = [
        "--baseline",
        stored,
        "--run",
        str(folder / name),
        "--junit",
        str(tmp_path / "j.xml"),
        "--github",
    ]
    done = runner.invoke(app, ["check", *options])
    assert done.exit_code == code, done.output
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == counts
    assert suite.get("tests") == "2"
    verdict = ("pass", "REGRESSION", "inconclusive")[code]
    assert (tmp_path / "summary.md").read_text().startswith(f"### {verdict}: ")


def test_the_command_wants_one_candidate_and_a_place_for_its_summary(folder, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    runner, stored = CliRunner(), str(folder / "old.baseline")
    with pytest.raises(UsageError, match="one of the two"):
        runner.invoke(app, ["check", "--baseline", stored], catch_exceptions=False)
    with pytest.raises(UsageError, match="GITHUB_STEP_SUMMARY is not set"):
        runner.invoke(
            app,
            ["check", "--baseline", stored, "--run", str(folder / "old"), "--github"],
            catch_exceptions=False,
        )
