"""The report: one HTML file that needs no network, and the figures and tables of a paper beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import StoreError, UnknownNameError, UsageError
from mafs_bench.report.commands import command_of
from mafs_bench.report.curves import Curve, Row, corruption_names, curves_of, primary_metric, task_names
from mafs_bench.report.domain import domain_gaps, gap_tables
from mafs_bench.report.examples import Examples, worst_examples
from mafs_bench.report.fusion_weights import fusion_curves
from mafs_bench.report.html import render, rounded, script_data
from mafs_bench.report.joint import joint_tables
from mafs_bench.report.missing import missing_tables
from mafs_bench.report.overall import flip_tables, overall_tables
from mafs_bench.report.plots import Panel, plot_curves, plot_heat_map, plot_panels
from mafs_bench.report.recompute import edited_line, recompute
from mafs_bench.report.robustness_table import robustness_tables
from mafs_bench.report.summary import remarks, suite_name, summarise_run
from mafs_bench.report.tables import RENDERERS, Column, Table, write_tables
from mafs_bench.runs.store import StoredRun, read_run

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Section:
    """Everything that the report says of one run; ``id`` names its files and anchors.

    edited: that ``results.json`` is not what the records give, "" where it is.
    """

    id: str
    run: StoredRun
    rows: Sequence[Row]
    tables: Sequence[Table]
    joint: Sequence[Table]
    fusion: dict[str, dict[str, list[Curve]]]
    examples: Examples
    edited: str = ""

    @property
    def title(self) -> str:
        """What a reader calls the run."""
        return f"{self.run.spec.model} on {self.run.spec.dataset}"


def write_report(
    folders: Sequence[Path],
    out: Path,
    data_root: Path | None = None,
    figures: Sequence[str] = FIGURE_SUFFIXES,
    note: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write ``report.html``, ``figures/`` (in the formats of ``figures``) and ``tables/``; returns all files.

    All numbers are derived from the per-sample records; ``note`` is called with a line if ``results.json`` differs.
    Raises ``StoreError`` for a damaged run or a folder that cannot be written, ``UsageError`` for none.
    """
    if not folders:
        raise UsageError("no run given; allowed: at least one results folder")
    sections = [_section(number, read_run(folder), data_root) for number, folder in enumerate(folders, 1)]
    for section in sections:
        if section.edited:
            note(section.edited)
    gaps = _gap_tables(sections)
    try:
        for name in ("figures", "tables"):
            (out / name).mkdir(parents=True, exist_ok=True)
        page = out / "report.html"
        page.write_text(_page(sections, gaps), encoding="utf-8", newline="\n")
        return [
            page,
            *_write_figures(sections, out / "figures", figures),
            *_write_tables(sections, gaps, out / "tables"),
        ]
    except OSError as problem:
        raise StoreError(f"cannot write {out}: {problem.strerror}") from problem


def _section(number: int, stored: StoredRun, data_root: Path | None) -> Section:
    recomputed = recompute(stored)
    run, spec = recomputed.run, stored.spec
    plain = re.sub(r"[^A-Za-z0-9.@+-]+", "-", f"{spec.model}-{spec.dataset}").strip("-")
    title = f"{spec.model} on {spec.dataset} ({spec.split}), {suite_name(spec)}, seed {spec.seed}"
    summaries = summarise_run(run)
    return Section(
        f"{number}-{plain}",
        run,
        [asdict(cell) for cell in run.results],
        [
            *robustness_tables(title, summaries, spec.severities, [*remarks(run), *spec.training_notes]),
            *missing_tables(run, summaries),
            *overall_tables(run, summaries),
            *flip_tables(summaries),
        ],
        joint_tables(run),
        fusion_curves(run),
        worst_examples(run, data_root),
        edited_line(run, recomputed.differences) if recomputed.differences else "",
    )


def _gap_tables(sections: Sequence[Section]) -> list[Table]:
    """Hold every two runs of one model on different data against each other, the first given as the source."""
    return [
        table
        for a, b in combinations(sections, 2)
        if (a.run.spec.weights, a.run.spec.suite_hash) == (b.run.spec.weights, b.run.spec.suite_hash)
        and a.run.spec.dataset != b.run.spec.dataset
        for table in _gap_tables_of(a.run, b.run)
    ]


def _gap_tables_of(source: StoredRun, target: StoredRun) -> list[Table]:
    """The gap of two runs, or why there is none."""
    try:
        return gap_tables(domain_gaps(source, target), source, target)
    except UsageError as problem:
        title = f"{source.spec.model}: no gap between {source.spec.dataset} and {target.spec.dataset}"
        return [Table(title, (Column("why"),), [(str(problem),)])]


def _page(sections: Sequence[Section], gaps: Sequence[Table]) -> str:
    data = [_run_data(section) for section in sections]
    return render(
        "report.html.j2",
        sections=sections,
        joints=[table for section in sections for table in section.joint],
        gaps=gaps,
        data=script_data(data),
        command_of=command_of,
    )


def _run_data(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "severities": list(section.run.spec.severities),
        "apart": _meaning_changing(section.run),
        "tasks": {task: _task_data(section.rows, task) for task in task_names(section.rows)},
        "fusion": {
            task: {weight: _curve_data(curves) for weight, curves in weights.items()}
            for task, weights in section.fusion.items()
        },
    }


def _meaning_changing(run: StoredRun) -> list[str]:
    """Name the corruptions under which another answer is right; none where the suite is not at hand."""
    try:
        known = suites.suite_of(run.spec).corruptions
    except UnknownNameError:
        return []
    return [name for name in run.spec.corruptions if name in known and known[name].meaning_changing]


def _task_data(rows: Sequence[Row], task: str) -> dict[str, Any]:
    own = [row for row in rows if row["task"] == task]
    names = list(own[0]["metrics"])
    return {
        "primary": primary_metric(task),
        "corruptions": corruption_names(own),
        "metrics": {name: _curve_data(curves_of(own, task, name)) for name in names},
    }


def _curve_data(curves: Sequence[Curve]) -> dict[str, list[list[float | None]]]:
    """Corruption -> [severity, value, low, high] by severity."""
    return {
        curve.corruption: [
            [int(severity), *(None if x != x else rounded(float(x)) for x in numbers)]
            for severity, *numbers in zip(
                curve.severities, curve.values, curve.lows, curve.highs, strict=True
            )
        ]
        for curve in curves
    }


def _write_figures(sections: Sequence[Section], folder: Path, suffixes: Sequence[str]) -> list[Path]:
    files = []
    for section in sections:
        for suffix in suffixes:
            curves = folder / f"{section.id}-curves{suffix}"
            plot_curves(section.rows, curves, section.title)
            files.append(curves)
            for task in task_names(section.rows):
                heat_map = folder / f"{section.id}-{task}-heat-map{suffix}"
                plot_heat_map(curves_of(section.rows, task), heat_map, f"{section.title}: {task}")
                files.append(heat_map)
            for task, weights in section.fusion.items():
                fusion = folder / f"{section.id}-{task}-fusion{suffix}"
                panels = [
                    Panel(task, f"mean {weight}, 95 % interval", curves) for weight, curves in weights.items()
                ]
                plot_panels(panels, fusion, section.title)
                files.append(fusion)
    return files


def _write_tables(sections: Sequence[Section], gaps: Sequence[Table], folder: Path) -> list[Path]:
    groups = [(f"{section.id}-robustness", section.tables) for section in sections]
    groups += [(f"{section.id}-joint", section.joint) for section in sections if section.joint]
    if gaps:
        groups.append(("domain-gap", gaps))
    files = []
    for name, tables in groups:
        for suffix in RENDERERS:
            write_tables(tables, folder / f"{name}{suffix}")
            files.append(folder / f"{name}{suffix}")
    return files
