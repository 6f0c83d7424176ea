"""The study's output: Markdown, CSV and PNG."""

from __future__ import annotations

from pathlib import Path

from mafs_bench.mafs.study.conditions import GROUPS
from mafs_bench.mafs.study.study_results import (
    Study,
    WeightCurve,
    calibration,
    gains,
    gap_closed,
    group_estimates,
    mismatch_auroc,
    missing_modality,
    moved_to_the_cleaner,
    read_studies,
    right_modality,
    weights_against_severity,
)
from mafs_bench.mafs.study.variants import ORACLE, variants
from mafs_bench.report.tables import CHANGE, P_VALUE, SCORE, Column, Table, Value, to_csv, to_markdown

NOTE = (
    "MA-AFS here is a reconstruction from the public abstract of arXiv 2506.12733; no number below is that paper's. "
    "R@1 of fused retrieval and soft accuracy of VQA, mean over the conditions of a group and over seeds; "
    "95 % intervals by bootstrap over "
    "images. Seen families in training: noise, blur, text-char. "
    f"`{ORACLE}` is not a method: it knows which modality is corrupted"
)


def write_study(out: Path, command: str) -> Path:
    """Write ``study.md``, one CSV per table and one PNG per task, next to the scores; returns the Markdown file."""
    studies = read_studies(out)
    request = studies[0].request
    notes = "".join(f"\n\n{note}." for note in (NOTE, *studies[0].notes))
    parts = [f"# Fusion study: {request.backbone} on {request.dataset}{notes}\n\n```\n{command}\n```\n"]
    for study in studies:
        weights = {method: weights_against_severity(study, method) for method in study.methods()}
        tables = {
            "scores": _scores(study),
            "gains": _gains(study),
            "diagnostics": _diagnostics(study),
            **_calibration(study),
            **{f"weights-{method}": _weights(method, curves) for method, curves in weights.items()},
        }
        parts.append(f"## {study.task}\n")
        for name, table in tables.items():
            (out / f"{study.task}-{name}.csv").write_text(to_csv(table), encoding="utf-8")
            parts.append(to_markdown(table))
        _plot_weights(weights, out / f"{study.task}-weights.png")
    path = out / "study.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _scores(study: Study) -> Table:
    kinds = {variant.name: variant.kind for variant in variants(study.budget)}
    columns = [Column("fusion"), Column("kind"), *(Column(group, SCORE) for group in GROUPS)]
    rows: list[list[Value]] = [
        [name, kinds[name], *(found[group] for group in GROUPS)]
        for name, found in group_estimates(study).items()
    ]
    return Table("Score by group", columns, rows)


def _gains(study: Study) -> Table:
    columns = [
        Column("method"),
        Column("group"),
        Column(
            "best fixed",
            meaning="the fixed fusion with the highest score in that group, chosen on the same scores",
        ),
        Column("score", SCORE),
        Column("fixed", SCORE),
        Column("difference", CHANGE, "paired, 95 % interval by bootstrap over images"),
        Column("p", P_VALUE, "paired permutation of images, Holm over the groups"),
        Column("p, not inferior", P_VALUE, "of a loss of half a point or more"),
    ]
    rows: list[list[Value]] = [
        [g.method, g.group, g.baseline, g.score, g.baseline_score, g.difference, g.p, g.not_inferior_p]
        for g in gains(study)
    ]
    return Table("Gain over the best fixed fusion", columns, rows)


def _diagnostics(study: Study) -> Table:
    columns = [
        Column("method"),
        Column("oracle gap closed", SCORE, "(method - best fixed) / (oracle - best fixed), noisy, unseen"),
        Column(
            "moved to the cleaner",
            SCORE,
            "share of corrupted rows in which the corrupted modality lost weight",
        ),
        Column("mismatch AUROC", SCORE, "of the text's weight, mismatched against matched pairs"),
        Column(
            "right modality AUROC",
            SCORE,
            "of the image's weight, rows right by the image alone against rows right by the text alone",
        ),
        Column("no image", SCORE, "score over rows without the image"),
        Column("text alone", SCORE),
        Column("no text", SCORE, "score over rows without the text"),
        Column("image alone", SCORE),
    ]
    rows: list[list[Value]] = []
    for method in study.methods():
        missing = missing_modality(study, method)
        rows.append(
            [
                method,
                gap_closed(study, method),
                moved_to_the_cleaner(study, method),
                mismatch_auroc(study, method),
                right_modality(study, method),
                *missing["image_dropout"],
                *missing["text_dropout"],
            ]
        )
    cost = "; ".join(f"{name} {value:.2f} %" for name, value in study.cost.items())
    return Table("Diagnostics", columns, rows, [f"added to the backbone by plain MA-AFS: {cost}"])


def _calibration(study: Study) -> dict[str, Table]:
    """The calibration table, if the task's answers have a confidence."""
    found = calibration(study)
    columns = [Column("fusion"), *(Column(group, SCORE) for group in GROUPS)]
    rows: list[list[Value]] = [[name, *(errors[g] for g in GROUPS)] for name, errors in found.items()]
    title = "Expected calibration error of the answers, 15 bins"
    return {"calibration": Table(title, columns, rows)} if found else {}


def _weights(method: str, curves: list[WeightCurve]) -> Table:
    severities = list(curves[0].means)
    columns = [
        Column("corruption"),
        Column("modality"),
        Column("group"),
        *(Column("clean" if s == 0 else str(s), SCORE) for s in severities),
        Column("rank correlation", CHANGE, "Spearman, weight against severity over rows"),
    ]
    rows: list[list[Value]] = [
        [c.corruption, c.modality, c.group, *c.means.values(), c.rank_correlation] for c in curves
    ]
    return Table(f"Weight of the corrupted modality, {method}", columns, rows)


def _plot_weights(weights: dict[str, list[WeightCurve]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(weights), 5), layout="constrained")
    axes = figure.subplots(1, len(weights), sharey=True, squeeze=False)[0]
    for axis, (method, curves) in zip(axes, weights.items(), strict=True):
        for curve in curves:
            style = "-" if curve.modality == "image" else "--"
            axis.plot(
                list(curve.means), list(curve.means.values()), style, marker=".", label=curve.corruption
            )
        axis.set(title=method, xlabel="severity", xticks=list(curves[0].means))
    axes[0].set_ylabel("mean weight of the corrupted modality")
    axes[-1].legend(fontsize=6, ncols=2, title="solid: image, dashed: text", title_fontsize=6)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=150)
