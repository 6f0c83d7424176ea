"""Runs held against each other: pairing, corrections, gaps between domains."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.report import compare, domain, measures, page
from mafs_bench.report.comparison_tables import comparison_tables, full_table, write_comparison
from mafs_bench.report.pairs import counted_keys
from mafs_bench.report.summary import summarise_run
from mafs_bench.report.tables import to_csv
from mafs_bench.runs.store import read_cell, read_run, write_cell
from mafs_bench.stats import significance as st
from mafs_bench.tasks import get_task
from mafs_bench.types import Condition
from tests.support.fake_run import SUITE, write_run

TASKS = ("retrieval", "fused-retrieval")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "a", model="clip", n=40, tasks=TASKS)
    write_run(folder / "b", model="blip", n=40, tasks=TASKS, skill=1.2)
    write_run(folder / "c", model="clip", n=40, tasks=("retrieval",), skill=2.0)
    write_run(folder / "night", model="clip", n=40, dataset="scenes:night", fragility=0.9)
    write_run(folder / "seed", model="clip", n=40, seed=1)
    return {name: read_run(folder / name) for name in ("a", "b", "c", "night", "seed")}


@pytest.fixture(scope="module")
def compared(runs):
    return compare.compare_runs([runs["a"], runs["b"]], n_resamples=400)


def test_every_shared_cell_is_compared(compared):
    assert len(compared.grid) == 2 * 7
    assert [row.condition for row in compared.summaries] == [compare.MEAN, compare.BALANCED, compare.MMI] * 2
    clean = compared.grid[0]
    assert (clean.task, clean.metric, clean.condition) == ("retrieval", "t2i_r1", "clean")
    assert (clean.baseline, clean.model) == ("clip", "blip")


def test_differences_are_of_the_rows_that_both_score(runs, compared):
    row = next(r for r in compared.grid if (r.task, r.condition) == ("retrieval", "keyboard-3"))
    frames = [
        run.frame(
            next(c for c in run.results if (c.task, c.corruption, c.severity) == ("retrieval", "keyboard", 3))
        )
        for run in (runs["a"], runs["b"])
    ]
    hits = [(f.loc[f["direction"] == "t2i", "score"].dropna() <= 1).mean() for f in frames]
    assert row.difference.value == pytest.approx(hits[1] - hits[0])
    assert row.difference.n_unscored == 1
    assert row.difference.low < row.difference.value < row.difference.high


def test_tests_are_those_of_the_library_corrected_over_the_grid(runs, compared):
    p = [row.p for row in compared.grid]
    assert [row.holm for row in compared.grid] == pytest.approx(multipletests(p, method="holm")[1])
    assert [row.bh for row in compared.grid] == pytest.approx(multipletests(p, method="fdr_bh")[1])
    first = compared.grid[0]
    metric = next(m for m in get_task("retrieval").metrics if m.name == "t2i_r1")
    ours, theirs = (run.frame(run.results[0]) for run in (runs["b"], runs["a"]))
    alone = st.cluster_permutation(metric, ours, theirs, 10_000)
    assert first.p == pytest.approx(alone.p, abs=0.01)
    text = ours["direction"] == "t2i"
    hits = [(f.loc[text, "score"] <= 1).to_numpy(float) for f in (ours, theirs)]
    assert first.mcnemar == pytest.approx(st.mcnemar(*hits).p)
    assert first.wilcoxon == pytest.approx(st.wilcoxon(*hits, ours.loc[text, "group"]).p)


def test_mmi_is_the_definition(runs, compared):
    summary = next(r for r in compared.summaries if (r.task, r.condition) == ("fused-retrieval", compare.MMI))
    scores = {
        (c.corruption, c.severity): c.metrics["r1"].value
        for c in runs["b"].results
        if c.task == "fused-retrieval"
    }
    clean = scores.pop((None, 0))
    assert summary.score.value == pytest.approx((clean - np.mean(list(scores.values()))) / clean)


def test_equal_runs_do_not_differ(runs):
    same = compare.compare_runs([runs["a"], runs["c"]], n_resamples=200)
    assert {row.difference.value for row in same.grid} == {0.0}
    assert {row.p for row in same.grid} == {1.0}
    assert same.grid[0].model == "clip (c)"


def test_the_least_p_survives_the_correction_of_a_large_grid(runs, monkeypatch):
    asked = []

    def spy(cells, n_permutations, seed):
        asked.append(n_permutations)
        return st.cluster_permutations(cells, 200, seed)

    monkeypatch.setattr(compare, "cluster_permutations", spy)
    compare.compare_runs([runs["a"], runs["b"]], n_resamples=200, alpha=0.001)
    assert asked == [20 * 14 / 0.001] * 2


def test_what_cannot_be_compared_is_refused(runs):
    for other, name in (("night", "dataset"), ("seed", "seed")):
        with pytest.raises(UsageError, match=f"cannot be compared with .*: {name} is .* there and"):
            compare.compare_runs([runs["a"], runs[other]])
    with pytest.raises(UsageError, match="is named twice"):
        compare.compare_runs([runs["a"], runs["a"]])
    with pytest.raises(UsageError, match="two or more"):
        compare.compare_runs([runs["a"]])
    with pytest.raises(UnknownNameError, match="t2i_r1"):
        compare.compare_runs([runs["a"], runs["b"]], metric="t2i_r2")


def test_another_limit_is_another_gallery(tmp_path):
    write_run(tmp_path / "ten", n=10, limit=10)
    write_run(tmp_path / "forty", n=40, limit=40)
    runs = [read_run(tmp_path / name) for name in ("ten", "forty")]
    with pytest.raises(UsageError) as refused:
        compare.compare_runs(runs)
    line = str(refused.value)
    assert "forty has --limit 40" in line
    assert "ten --limit 10: another limit is another gallery, on which retrieval cannot be compared" in line
    assert "--seed 0 --limit 10 --out FOLDER" in line
    assert "--task vqa" not in line


def test_what_is_scored_sample_by_sample_is_compared_over_the_common_samples(tmp_path):
    tasks = ("retrieval", "vqa", "captioning")
    write_run(tmp_path / "ten", n=10, limit=10, tasks=tasks, skill=1.0)
    write_run(tmp_path / "forty", n=40, limit=40, tasks=tasks, skill=0.5)
    runs = [read_run(tmp_path / name) for name in ("ten", "forty")]
    with pytest.raises(UsageError, match=r"which retrieval, captioning cannot.* with --task vqa"):
        compare.compare_runs(runs)
    with pytest.raises(UsageError, match="on which captioning cannot be compared"):
        compare.compare_runs(runs, metric="cider_d", tasks=("captioning",))
    compared = compare.compare_runs(runs, n_resamples=200, tasks=("vqa",))
    clean = compared.grid[0]
    scores = [run.frame(next(c for c in run.results if c.task == "vqa")).head(10)["score"] for run in runs]
    assert clean.score.n == clean.baseline_score.n == 10
    assert clean.difference.value == pytest.approx((scores[1] - scores[0]).mean())
    assert any("compared over the samples that all runs have" in note for note in compared.notes)
    assert {len(run.frame(run.results[0])) for run in compared.runs} == {10}
    captions = compare.compare_runs(runs, metric="rouge_l", n_resamples=200, tasks=("captioning",))
    assert captions.grid[0].score.n == 10


def test_partners_drawn_from_other_samples_are_left_out_of_the_common_part(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.fake_run.SUITE", "core@1")
    for name, n in (("ten", 10), ("forty", 40)):
        write_run(
            tmp_path / name, n=n, limit=n, tasks=("vqa",), corruptions=("image_dropout", "pair_shuffle")
        )
    runs = [read_run(tmp_path / name) for name in ("ten", "forty")]
    compared = compare.compare_runs(runs, n_resamples=200)
    assert [row.condition for row in compared.grid] == ["clean", *(f"image_dropout-{s}" for s in (1, 3, 5))]
    assert any(note.endswith("other samples: pair_shuffle") for note in compared.notes)


def test_tasks_can_be_chosen(runs):
    compared = compare.compare_runs([runs["a"], runs["b"]], n_resamples=200, tasks=("fused-retrieval",))
    assert {row.task for row in compared.grid} == {"fused-retrieval"}
    with pytest.raises(UnknownNameError, match=r"'fused-retreival'\. Did you mean 'fused-retrieval'"):
        compare.compare_runs([runs["a"], runs["b"]], tasks=("fused-retreival",))


@pytest.mark.parametrize("metric", ["t2i_medr", "i2t_meanr"])
def test_metrics_without_bounds_can_be_compared(runs, metric):
    folders = [str(runs[name].path) for name in ("a", "b")]
    options = ["--metric", metric, "--task", "retrieval", "--resamples", "200"]
    done = CliRunner().invoke(app, ["compare", *folders, *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"retrieval, {metric}, lower is better: blip against clip" in done.output


def test_cells_of_other_inputs_are_inconclusive_and_in_no_mean(tmp_path):
    write_run(tmp_path / "old", n=40)
    write_run(tmp_path / "new", n=40, model="blip", skill=1.2)
    old, new = (read_run(tmp_path / name) for name in ("old", "new"))
    write_run(tmp_path / "other", n=40, model="blip", skill=1.2)
    for file in (tmp_path / "other" / "cells").glob("*gaussian_noise*"):
        frame, meta = read_cell(file)
        condition = Condition(SUITE, meta.corruption, meta.severity, meta.seed)
        write_cell(tmp_path / "other", replace(meta, content_hash="f" * 64), condition, frame)
    other = read_run(tmp_path / "other")
    packages = {**other.spec.packages, "opencv-python": "5.0.0"}
    other = replace(other, spec=replace(other.spec, packages=packages))
    whole, part = (compare.compare_runs([old, run], n_resamples=200) for run in (new, other))
    marked = [row for row in part.grid if row.test == compare.OTHER_INPUTS]
    assert [row.condition for row in marked] == [f"gaussian_noise-{s}" for s in (1, 3, 5)]
    assert {(row.p, row.holm, row.bh, row.wilcoxon) for row in marked} == {(None,) * 4}
    losses = [s.drops for s in summarise_run(new, n_resamples=50) if s.corruption == "keyboard"]
    clean = next(
        row.score.value for row in part.grid if row.condition == "clean"
    )  # over all rows, as the mean
    lost = np.mean([drop.value for drop in losses[0].values()])
    assert part.summaries[0].score.value == pytest.approx(clean - lost)
    assert whole.summaries[0].score.value != part.summaries[0].score.value
    (note,) = [note for note in part.notes if "other inputs" in note]
    assert "gaussian_noise-1, gaussian_noise-3, gaussian_noise-5" in note
    assert "opencv-python not recorded / 5.0.0" in note


def test_a_domain_gap_is_between_two_data_sets_of_one_size_and_one_model(tmp_path):
    write_run(tmp_path / "ten", n=10, limit=10)
    write_run(tmp_path / "forty", n=40, limit=40)
    write_run(tmp_path / "night", n=40, dataset="scenes:night")
    write_run(tmp_path / "changed", n=10, dataset="scenes:night", answers="another checkpoint")
    ten, forty, night, changed = (read_run(tmp_path / name) for name in ("ten", "forty", "night", "changed"))
    with pytest.raises(
        UsageError, match=r"are both of scenes \(test\): a domain gap is between two data sets"
    ):
        domain.domain_gaps(ten, forty)
    with pytest.raises(
        UsageError, match=r"night has a gallery of 40 images and .*ten of 10.* --limit 10 --out"
    ):
        domain.domain_gaps(ten, night)
    with pytest.raises(UsageError, match=r"is not of the model of .*: the model answers differently"):
        domain.domain_gaps(ten, changed)
    assert len(domain.domain_gaps(forty, night, n_resamples=200)) == 7


def test_the_report_says_why_there_is_no_gap(tmp_path):
    write_run(tmp_path / "day", n=10, severities=(1,))
    write_run(tmp_path / "night", n=12, dataset="scenes:night", severities=(1,))
    (table,) = page._gap_tables_of(read_run(tmp_path / "day"), read_run(tmp_path / "night"))
    assert table.title == "clip: no gap between scenes and scenes:night"
    assert "night has a gallery of 12 images" in table.rows[0][0]


def test_meaning_changing_corruptions_are_set_apart(runs, monkeypatch):
    keys = [(None, 0), ("gaussian_noise", 1), ("negation", 1), ("gaussian_noise@1+keyboard", 2)]
    spec = runs["a"].spec

    class Run:
        pass

    run = Run()
    run.spec = spec

    class Suite:
        corruptions = {  # noqa: RUF012
            "gaussian_noise": type("C", (), {"meaning_changing": False}),
            "negation": type("C", (), {"meaning_changing": True}),
        }

    monkeypatch.setattr("mafs_bench.report.pairs.suites.load", lambda name: Suite)
    counted = counted_keys(run, keys)
    assert counted.keys == [("gaussian_noise", 1)]
    assert "negation" in counted.note


def test_tables_for_readers_and_for_machines(runs, compared, tmp_path):
    readers = comparison_tables(compared)
    assert [table.title.split(",")[0] for table in readers] == list(TASKS)
    assert len(readers[0].rows) == 10
    rows = list(csv.DictReader(io.StringIO(to_csv(full_table(compared)))))
    assert len(rows) == 20
    assert {row["test"] for row in rows} <= {"sign flip", "sign flip, exact", "interval", "bootstrap t"}
    own = measures.measure_tables(measures.measure_runs([runs["a"], runs["b"]], ["clip", "blip"], None, 200))
    write_comparison(compared, own, [tmp_path / "t.md", tmp_path / "t.csv", tmp_path / "t.tex"])
    assert (tmp_path / "t.md").read_text().count("| gaussian_noise-1 |") == 2
    assert (tmp_path / "t.tex").read_text().count(r"\toprule") == 4
    robustness = pd.read_csv(tmp_path / "t-retrieval-robustness.csv")
    assert list(robustness["model"]) == ["clip", "blip"]
    assert {"MMI low", "mCE vs. clip", "rel. mCE vs. clip high", "τ vs. clip"} <= set(robustness)
    assert len(pd.read_csv(tmp_path / "t.csv")) == 20


def test_measures_are_their_definitions(runs):
    made = measures.measure_runs([runs["a"], runs["b"]], ["clip", "blip"], n_resamples=400)
    reference, blip = (m for m in made if m.task == "fused-retrieval")
    scores = [
        {
            (c.corruption, c.severity): c.metrics["r1"].value
            for c in run.results
            if c.task == "fused-retrieval"
        }
        for run in (runs["a"], runs["b"])
    ]
    clean = [table.pop((None, 0)) for table in scores]
    names = ("gaussian_noise", "keyboard")
    errors = [[sum(1 - v for (c, _), v in t.items() if c == n) for n in names] for t in scores]
    drops = [
        [sum(k - v for (c, _), v in t.items() if c == n) for n in names]
        for k, t in zip(clean, scores, strict=True)
    ]
    means = [np.mean(list(table.values())) for table in scores]
    area = [np.trapezoid([clean[1], *(scores[1][n, s] for s in (1, 3, 5))], [0, 1, 3, 5]) / 5 for n in names]
    expected = {
        "clean": clean[1],
        "mmi": 1 - means[1] / clean[1],
        "relative_accuracy": means[1] / clean[1],
        "severity_auc": np.mean(area),
        "worst_case": min(scores[1].values()),
        "mean_corruption_error": np.mean(np.divide(errors[1], errors[0])),
        "relative_corruption_error": np.mean(np.divide(drops[1], drops[0])),
        "relative_robustness": means[1] - means[0],
    }
    assert {name: one.value for name, one in blip.values.items()} == pytest.approx(expected)
    assert all(one.low <= one.value <= one.high for one in blip.values.values())
    for name in ("mean_corruption_error", "relative_corruption_error"):
        assert reference.values[name].value == pytest.approx(1)
        assert reference.values[name].high == pytest.approx(1)


def test_effective_robustness_needs_five_models(tmp_path):
    folders = [write_run(tmp_path / f"m{i}", n=40, skill=0.8 + 0.3 * i, severities=(1, 3)) for i in range(5)]
    runs = [read_run(folder) for folder in folders]
    names = [f"m{i}" for i in range(5)]
    four = measures.measure_runs(runs[:4], names[:4], n_resamples=200)
    five = measures.measure_runs(runs, names, n_resamples=200)
    assert "effective_robustness" not in four[0].values
    residuals = [m.values["effective_robustness"].value for m in five]
    assert min(residuals) < 0 < max(residuals)


def test_domain_gap_and_difference_in_differences(runs):
    source, target = runs["c"], runs["night"]
    rows = domain.domain_gaps(source, target, n_resamples=400)
    clean, noisy = rows[0], next(row for row in rows if row.condition == "gaussian_noise-1")
    assert clean.difference is None
    assert clean.gap.value == pytest.approx(clean.source.value - clean.target.value)
    drops = noisy.drop_target.value - noisy.drop_source.value
    assert noisy.difference.value == pytest.approx(drops)
    assert noisy.drop_source.value == pytest.approx(clean.source.value - noisy.source.value)
    assert noisy.difference.low < drops < noisy.difference.high
    with pytest.raises(UsageError, match=r"is not of the model of .*: the model.s weights are"):
        domain.domain_gaps(runs["b"], target)


def test_commands(runs, tmp_path):
    runner = CliRunner()
    a, b, night = (str(runs[name].path) for name in ("a", "b", "night"))
    done = runner.invoke(app, ["compare", a, b, "--resamples", "200", "--out", str(tmp_path / "c.csv")])
    assert done.exit_code == 0
    assert "retrieval, t2i_r1: blip against clip" in done.output
    assert (tmp_path / "c.csv").exists()
    done = runner.invoke(app, ["domain-gap", a, night, "--resamples", "200", "--out", str(tmp_path / "g.md")])
    assert done.exit_code == 0
    assert "DiD" in (tmp_path / "g.md").read_text()
    done = runner.invoke(app, ["verify-paper", "--out", str(tmp_path / "p.tex")])
    assert done.exit_code == 0
    assert "17 printed MMI recomputed" in done.output
