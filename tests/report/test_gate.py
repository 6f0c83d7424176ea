"""The gate's three outcomes, and what it refuses."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import StoreError, UnknownNameError, UsageError
from mafs_bench.report import gate
from mafs_bench.report.baseline import read_baseline, write_baseline
from mafs_bench.report.gate import Verdict
from mafs_bench.report.gate_output import gate_table, headline
from mafs_bench.report.pairs import CLEAN
from mafs_bench.runs.store import read_cell, read_run, write_cell
from mafs_bench.tasks import get_task
from mafs_bench.types import Condition
from tests.support.fake_run import SUITE, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    write_run(folder / "old", n=400)
    write_run(folder / "unchanged", n=400)
    write_run(folder / "better", n=400, skill=2.02, weights="better")
    write_run(folder / "worse", n=400, skill=1.7, weights="worse")
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
    same = "the same model: " if name == "unchanged" else ""
    assert headline(result) == f"pass: {same}clip against clip, margin 1 points, alpha 0.05"


def test_a_planted_regression_is_found(folder):
    result = check(folder, "worse")
    assert result.verdict is Verdict.REGRESSION
    assert all(claim.p_broken < 0.01 < 0.5 < claim.p_holds for claim in result.claims)
    assert check(folder, "worse", margin=20).verdict is Verdict.PASS


def test_too_few_samples_are_inconclusive_and_say_how_many_would_do(folder):
    result = check(folder, "few-new", "few-old")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert all(claim.needed > claim.n_clusters == 25 for claim in result.claims)
    note = gate_table(result).notes[0]
    assert f"25 clusters do not decide, {result.claims[0].needed} would with 80 % power" in note
    # 1 - .05 ** (1 / 25) = .1129...
    assert "the smallest margin that 25 could pass is 11.3 points" in note


def test_a_few_hits_alike_prove_nothing_though_nothing_seems_to_change(folder, tmp_path):
    """All hits stay hits, so that the bootstrap sees no spread; yet the ranks are others."""
    for name in ("old", "new"):
        write_run(tmp_path / name, n=25, skill=50.0, weights=name)
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
    assert clean.p_holds == pytest.approx(0.99**25)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert clean.needed == 299
    assert 0.99**clean.needed <= 0.05 < 0.99 ** (clean.needed - 1)


@pytest.mark.parametrize(("n", "margin", "verdict"), [(58, 5, 2), (59, 5, 0), (298, 1, 2), (299, 1, 0)])
def test_equal_scores_of_another_model_pass_from_the_least_number_of_clusters_on(
    tmp_path, n, margin, verdict
):
    for name in ("old", "new"):
        write_run(tmp_path / name, n=n, weights=name, severities=(1,), corruptions=("keyboard",))
    write_baseline(read_run(tmp_path / "old"), tmp_path / "old.baseline")
    assert check(tmp_path, "new", "old", margin=margin).verdict == verdict


def test_the_same_model_passes_however_few_the_samples(folder):
    assert check(folder, "few-old", "few-old").same_model
    assert check(folder, "few-old", "few-old").verdict is Verdict.PASS


@pytest.mark.parametrize(("n", "share"), [(10, 0.02), (50, 0.02), (299, 0.01), (400, 0.01)])
def test_a_model_that_lost_the_margin_in_a_few_images_does_not_pass(monkeypatch, n, share):
    """A true loss of 1 or 2 points at margin 1, all of it in a few images; the baseline is saturated."""
    monkeypatch.setattr(gate, "_N_RESAMPLES", 300)
    metric = {m.name: m for m in get_task("fused-retrieval").metrics}["r1"]
    rng = np.random.default_rng(n)
    old, passes = _hits(n, 1.0, rng), 0
    for _ in range(60):
        claim = gate._open(metric, "clean", {CLEAN: old}, {CLEAN: _hits(n, 1 - share, rng)}, [CLEAN], 0)
        passes += gate._verdicts([claim], 0.01, 0.05)[0].verdict is Verdict.PASS
    assert passes <= 9  # 5 % and the sampling error of 60 worlds


def _hits(n, rate, rng):
    """Ranks of three captions of each of ``n`` images, all hits or all misses."""
    ranks = np.where(rng.random(n) < rate, 1.0, 2.0)
    return pd.DataFrame(
        {
            "id": [f"{i}#{k}" for i in range(n) for k in range(3)],
            "group": [f"{i:04d}" for i in range(n) for _ in range(3)],
            "score": np.repeat(ranks, 3),
        }
    )


def test_other_inputs_are_inconclusive_and_never_a_regression(folder, tmp_path):
    """The bytes of one corruption differ, as after an update of OpenCV."""
    write_run(tmp_path / "new", n=400, skill=2.0, fragility=1.5)
    for file in (tmp_path / "new" / "cells").glob("*gaussian_noise*"):
        frame, meta = read_cell(file)
        condition = Condition(SUITE, meta.corruption, meta.severity, meta.seed)
        write_cell(tmp_path / "new", replace(meta, content_hash="f" * 64), condition, frame)
    spec = json.loads((tmp_path / "new" / "spec.json").read_text(encoding="utf-8"))
    spec["packages"] |= {"opencv-python": "5.0.0"}
    spec["engine"] = "reference"
    (tmp_path / "new" / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    result = gate.check_run(read_run(tmp_path / "new"), read_baseline(folder / "old.baseline"))
    clean, corrupted = result.claims
    assert corrupted.p_broken < 0.001  # it would be a regression
    assert (corrupted.other_inputs, corrupted.verdict) == (3, Verdict.INCONCLUSIVE)
    assert (clean.other_inputs, clean.verdict) == (0, Verdict.PASS)
    assert headline(result).startswith("inconclusive: other inputs: clip against clip")
    notes = " ".join(gate_table(result).notes)
    assert (
        "retrieval gaussian_noise-1, gaussian_noise-3, gaussian_noise-5 were made from other bytes" in notes
    )
    assert "engine native / reference" in notes
    assert "opencv-python not recorded / 5.0.0" in notes


def test_an_edited_results_file_changes_no_verdict(folder, tmp_path):
    """Neither its scores nor its hashes of inputs are read."""
    write_run(tmp_path / "new", n=400, skill=2.0, fragility=1.5)
    before = check_with(folder / "old.baseline", tmp_path / "new")
    file = tmp_path / "new" / "results.json"
    results = json.loads(file.read_text(encoding="utf-8"))
    for cell in results:
        cell["content_hash"] = "f" * 64
        cell["metrics"]["t2i_r1"]["value"] = 1.0
    file.write_text(json.dumps(results), encoding="utf-8")
    assert check_with(folder / "old.baseline", tmp_path / "new") == before
    write_baseline(read_run(tmp_path / "new"), tmp_path / "new.baseline")
    assert check_with(tmp_path / "new.baseline", tmp_path / "new").same_model


def test_other_precision_or_weights_are_not_the_same_model(folder, tmp_path):
    write_run(tmp_path / "half", n=25, precision="bf16")
    half = check_with(folder / "few-old.baseline", tmp_path / "half")
    assert not half.same_model
    assert half.verdict is Verdict.INCONCLUSIVE
    assert any("precision fp32 / bf16" in note for note in half.notes)
    write_run(tmp_path / "other", n=25, weights="other")
    other = check_with(folder / "few-old.baseline", tmp_path / "other")
    assert not other.same_model
    assert any(note.startswith("model: not the baseline's: the model's weights are") for note in other.notes)


def test_equal_weights_that_answer_otherwise_are_not_the_same_model(folder, tmp_path):
    """A checkpoint that the weights' hash does not cover has changed."""
    write_run(tmp_path / "new", n=25, answers="another checkpoint")
    result = check_with(folder / "few-old.baseline", tmp_path / "new")
    assert (result.same_model, result.verdict) == (False, Verdict.INCONCLUSIVE)
    assert any("model: not the baseline's: the model answers differently" in note for note in result.notes)
    assert any("model: the baseline's, by" in n for n in check(folder, "few-old", "few-old").notes)


def test_a_run_that_records_no_identity_is_refused_with_its_command(folder, tmp_path):
    write_run(tmp_path / "old", n=25)
    spec = json.loads((tmp_path / "old" / "spec.json").read_text(encoding="utf-8"))
    (tmp_path / "old" / "spec.json").write_text(
        json.dumps({**spec, "format": 1, "probe": {}}), encoding="utf-8"
    )
    command = "identity was not recorded. Make it again: mafs-bench run --model clip --dataset scenes"
    with pytest.raises(StoreError, match=command):
        check_with(folder / "few-old.baseline", tmp_path / "old")
    with pytest.raises(StoreError, match=command):
        write_baseline(read_run(tmp_path / "old"), tmp_path / "new.baseline")


def check_with(baseline, run):
    return gate.check_run(read_run(run), read_baseline(baseline))


def test_the_same_model_that_lost_points_is_a_regression_all_the_same(folder, tmp_path):
    """Identity and scores contradict each other: the scores count."""
    write_run(tmp_path / "new", n=400, skill=1.0)
    result = check_with(folder / "old.baseline", tmp_path / "new")
    assert result.verdict is Verdict.REGRESSION
    assert not result.same_model


def test_rows_that_are_lost_allow_no_pass(folder, tmp_path):
    write_run(tmp_path / "new", n=400)
    path = tmp_path / "new" / "cells" / "retrieval--clean.parquet"
    frame, meta = read_cell(path)
    frame.loc[3:7, "score"] = np.nan
    write_cell(tmp_path / "new", meta, Condition("smoke@1", None, 0, 0), frame)
    result = gate.check_run(read_run(tmp_path / "new"), read_baseline(folder / "old.baseline"))
    assert result.claims[0].lost == 5
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "5 rows that the baseline scored are unscored, so that no pass" in gate_table(result).notes[0]


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
        ("other-data", {}, "dataset is 'scenes' in the baseline and 'scenes:night'"),
        ("old", {"margin": 0.0}, "--margin 0.0: allowed"),
        ("old", {"alpha": 0.5}, "--alpha 0.5: allowed"),
    ],
)
def test_what_cannot_be_checked_is_refused(folder, name, options, message):
    with pytest.raises(UsageError, match=message):
        check(folder, name, **options)


@pytest.mark.parametrize("name", ["t2i_medr", "i2t_medr", "t2i_meanr", "i2t_meanr"])
def test_a_metric_without_bounds_is_refused_at_once(folder, name):
    with pytest.raises(UsageError, match=rf"--metric {name} has no upper bound.*allowed: t2i_r1, t2i_r5"):
        gate.require_settings(read_baseline(folder / "old.baseline"), 1.0, 0.05, (name,))


@pytest.mark.parametrize("task", ["retrieval", "fused-retrieval", "vqa", "matching", "captioning"])
def test_every_bounded_metric_can_be_checked(tmp_path, task):
    for name in ("old", "new"):
        write_run(
            tmp_path / name,
            n=12,
            tasks=(task,),
            weights=name,
            severities=(1,),
            skill=2.0 if name == "old" else 1.0,
        )
    write_baseline(read_run(tmp_path / "old"), tmp_path / "old.baseline")
    names = [m.name for m in get_task(task).metrics if np.isfinite(m.high)]
    result = check(tmp_path, "new", "old", metrics=names)
    assert len(result.claims) == 2 * len(names)
    assert result.verdict is not Verdict.PASS


def test_a_baseline_of_another_format_names_the_commands_that_remake_it(folder, tmp_path):
    table = pq.ParquetFile(folder / "old.baseline").read()
    meta = json.loads(table.schema.metadata[b"mafs_bench_baseline"])
    assert meta.pop("inputs")
    meta["version"] = 1
    old = tmp_path / "old format.baseline"
    pq.write_table(table.replace_schema_metadata({b"mafs_bench_baseline": json.dumps(meta).encode()}), old)
    with pytest.raises(StoreError) as refused:
        read_baseline(old)
    line = str(refused.value)
    assert "is a baseline of format 1" in line
    assert (
        "mafs-bench run --model clip --dataset scenes --split test --task retrieval --suite smoke@1" in line
    )
    assert f"--out RUN && mafs-bench baseline RUN --out '{old}'" in line


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
    return gate._verdicts(
        [gate._Open(replace(mean_of(), low=0.0, high=1.0), "", pair[1], pair[0], change, 0)], 0.01, 0.05
    )[0].verdict


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
    with pytest.raises(UsageError, match="needs either"):
        runner.invoke(app, ["check", "--baseline", stored], catch_exceptions=False)
    with pytest.raises(UsageError, match="GITHUB_STEP_SUMMARY is not set"):
        runner.invoke(
            app,
            ["check", "--baseline", stored, "--run", str(folder / "old"), "--github"],
            catch_exceptions=False,
        )
