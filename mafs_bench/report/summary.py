"""The table and the curve of one run, derived from its stored scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.report.flip_shares import FlipShares, flip_metric, flip_shares
from mafs_bench.report.joint import joint_tables
from mafs_bench.report.plots import curves_figure, plot_curves
from mafs_bench.report.tables import FLOOR, FLOOR_NOTE, SCORE, TOO_FEW, Column, Table, print_tables
from mafs_bench.runs.frame import NATIVE
from mafs_bench.runs.store import StoredRun, read_run
from mafs_bench.runs.unseen import BEYOND_CUT, UNSEEN
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    combine,
    common_rows,
    difference,
    mean,
    replicate_all,
    unscored_rows,
)
from mafs_bench.stats.robustness import (
    at_floor,
    brought_to_all_rows,
    chance_of,
    first_drop,
    mmi,
    relative_accuracy,
    severity_auc,
    slope,
)
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult, Estimate, Metric, RunSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

LEGEND = f"""\
Numbered columns are severities; below each value its 95 % interval over images:
Korn-Graubard for recall and accuracy, logit for AUROC, bootstrap-t for the rest
from 20 images on (below: {TOO_FEW}).
· marks a drop against clean whose 95 % interval holds 0 or is not known.
MMI: (clean - mean over severities) / clean. RA: mean over severities / clean.
AUC: mean height of the curve from 0 to the last severity.
slope: of the line through clean (0) and the severities, in points per severity.
r-w, w-r: % of the rows that go from right to wrong and from wrong to right, mean over severities.
n: rows that are scored clean and at every severity; all numbers of a line are over them. * fewer than 30.
{FLOOR_NOTE}"""


WORTH_SAYING = 0.05
"""Share of changed texts that look unchanged to the model, from which on this is reported."""

FEW = 30
"""A table row with fewer scored rows than this is marked as unreliable."""


@dataclass(frozen=True)
class CurveSummary:
    """One metric of one task under one corruption, over the same samples throughout.

    levels: by severity, 0 clean. significant: whether the interval of the drop leaves 0 out. floor: the clean score is
    not above chance, so that MMI and RA mean nothing. n: rows behind every number of the curve: those that are
    scored clean and at every severity. left_out: rows that are not. Of a corruption that applies to every sample,
    clean is the run's own. first_drop: the least severity whose drop is significant. slope: per severity. flips: by
    severity, and mean_flips over them; None where rows are not right or wrong. mean: over severities, brought to all
    rows of the run (``stats.robustness.on_all_rows``); not part of equality.
    """

    task: str
    metric: str
    corruption: str
    levels: dict[int, Estimate]
    drops: dict[int, Estimate]
    significant: dict[int, bool]
    floor: bool
    mmi: Estimate
    relative: Estimate
    auc: Estimate
    n: int
    left_out: int
    first_drop: int | None
    slope: Estimate
    flips: Mapping[int, FlipShares] | None
    mean_flips: FlipShares | None
    mean: Replicates = field(compare=False, repr=False)


def summarise_run(run: StoredRun, n_resamples: int = 2000) -> list[CurveSummary]:
    """The primary metric of every task under every corruption, with paired intervals."""
    summaries = []
    for task in run.spec.tasks:
        cells = [cell for cell in run.results if cell.task == task]
        metric = get_task(task).primary_metric
        summaries += _summarise_task(run, task, cells, metric, n_resamples)
    return summaries


def _summarise_task(
    run: StoredRun, task: str, cells: Sequence[CellResult], metric: Metric, n_resamples: int
) -> list[CurveSummary]:
    frames = {(cell.corruption, cell.severity): run.frame(cell) for cell in cells}
    found = {(cell.corruption, cell.severity): cell.metrics[metric.name] for cell in cells}
    groups = {group for frame in frames.values() for group in frame["group"]}
    resampled = _Resampled(metric, frames, found, Resampling(groups, n_resamples, run.spec.seed))
    chance = chance_of(metric, frames[None, 0])
    whole = resampled.together([(None, 0)]).replicates[0]
    flipping = flip_metric(task)
    summaries = []
    for name in dict.fromkeys(cell.corruption for cell in cells if cell.corruption is not None):
        severities = [cell.severity for cell in cells if cell.corruption == name]
        keys = [(None, 0), *((name, severity) for severity in severities)]
        rows = resampled.together(keys)
        flips = None
        if flipping is not None:
            flips = flip_shares(
                task, flipping, [frames[key] for key in keys], severities, resampled.resampling
            )
        summaries.append(_curve(task, metric, name, [0, *severities], rows, chance, whole, flips))
    return summaries


_Key = tuple[str | None, int]


@dataclass(frozen=True, slots=True)
class _SameRows:
    """Cells over one set of rows: the estimate of each, and its resampled values."""

    estimates: list[Estimate]
    replicates: list[Replicates]
    left_out: int


class _Resampled:
    """One metric of a task's cells over common rows; a cell that is scored whole is resampled once.

    ``found`` holds the estimates over all rows of each cell.
    """

    def __init__(
        self,
        metric: Metric,
        frames: Mapping[_Key, pd.DataFrame],
        found: Mapping[_Key, Estimate],
        resampling: Resampling,
    ) -> None:
        self.metric, self.frames, self.found, self.resampling = metric, frames, found, resampling
        self.whole = {key for key, frame in frames.items() if not unscored_rows(metric, frame).any()}
        self.made: dict[_Key, Replicates] = {}

    def together(self, keys: Sequence[_Key]) -> _SameRows:
        """Cells over the rows that are scored in all of them."""
        if not self.whole.issuperset(keys):
            matched, left_out = common_rows(self.metric, [self.frames[key] for key in keys])
            replicates = replicate_all([(self.metric, frame) for frame in matched], self.resampling)
            estimates = [estimate(cell) for cell in replicates]
            return _SameRows(estimates, replicates, left_out)
        new = [key for key in keys if key not in self.made]
        cells = [(self.metric, self.frames[key]) for key in new]
        self.made |= zip(new, replicate_all(cells, self.resampling), strict=True)
        return _SameRows([self.found[key] for key in keys], [self.made[key] for key in keys], 0)


def _curve(
    task: str,
    metric: Metric,
    corruption: str,
    severities: Sequence[int],
    rows: _SameRows,
    chance: float,
    whole: Replicates,
    flips: tuple[Mapping[int, FlipShares], FlipShares] | None,
) -> CurveSummary:
    paired = dict(zip(severities, rows.replicates, strict=True))
    clean, *corrupted = rows.replicates

    def relative(base: Array, *rest: Array) -> Array:
        return relative_accuracy(base, np.array(rest))

    def percent_lost(base: Array, *rest: Array) -> Array:
        return 100 * mmi(base, np.array(rest))

    def area(*values: Array) -> Array:
        return severity_auc(np.array(values), severities)

    def fall(*values: Array) -> Array:
        return slope(np.array(values), severities)

    drops = {s: estimate(difference(clean, r)) for s, r in paired.items() if s}
    return CurveSummary(
        task,
        metric.name,
        corruption,
        dict(zip(severities, rows.estimates, strict=True)),
        drops,
        {s: _excludes_zero(lost) for s, lost in drops.items()},
        at_floor(rows.estimates[0], chance),
        estimate(combine(percent_lost, clean, *corrupted)),
        estimate(combine(relative, clean, *corrupted)),
        estimate(combine(area, clean, *corrupted)),
        clean.n,
        rows.left_out,
        first_drop(drops),
        estimate(combine(fall, clean, *corrupted)),
        None if flips is None else flips[0],
        None if flips is None else flips[1],
        mean([brought_to_all_rows(whole, clean, cell) for cell in corrupted]),
    )


def _excludes_zero(estimate_: Estimate) -> bool:
    return (
        estimate_.low is not None and estimate_.high is not None and not estimate_.low <= 0 <= estimate_.high
    )


def summary_header(severities: Sequence[int]) -> list[str]:
    """Columns of the printed table."""
    return ["corruption", "n", "clean", *map(str, severities), "MMI%", "RA", "AUC", "slope", "r-w", "w-r"]


def summary_rows(summaries: Sequence[CurveSummary], severities: Sequence[int]) -> list[list[str]]:
    """Cells of the printed table, in the order of ``summary_header``."""
    return [
        [
            s.corruption,
            f"{s.n}{'*' if s.n < FEW else ''}",
            _shown(s.levels[0]),
            *(_shown(s.levels.get(k), mark=not s.significant.get(k, True)) for k in severities),
            FLOOR if s.floor else _short(s.mmi, ".1f"),
            FLOOR if s.floor else _short(s.relative, ".3f").removeprefix("0"),
            _short(s.auc, ".3f").removeprefix("0"),
            _per_cent(s.slope, ".1f"),
            *(_per_cent(share, ".0f") for share in _flips(s)),
        ]
        for s in summaries
    ]


def _shown(estimate_: Estimate | None, *, mark: bool = False) -> str:
    if estimate_ is None:
        return ""
    if estimate_.value is None:
        return "n/a"
    interval = TOO_FEW
    if estimate_.low is not None and estimate_.high is not None:
        interval = f"{_bare(estimate_.low)}-{_bare(estimate_.high)}"
    return f"{estimate_.value:.3f}{'·' if mark else ''}\n{interval}"


def _bare(value: float) -> str:
    """As short as intervals are printed to save room: two decimals without the leading zero, and 1.0."""
    return f"{value:.2f}".removeprefix("0").replace("1.00", "1.0")


def _flips(summary: CurveSummary) -> tuple[Estimate | None, Estimate | None]:
    shares = summary.mean_flips
    return (None, None) if shares is None else (shares.destructive, shares.corrective)


def _per_cent(estimate_: Estimate | None, form: str) -> str:
    return "n/a" if estimate_ is None or estimate_.value is None else format(100 * estimate_.value, form)


def _short(estimate_: Estimate, form: str) -> str:
    return "n/a" if estimate_.value is None else format(estimate_.value, form)


def write_curve(folder: Path) -> Path:
    """Draw ``curves.png`` into a results folder."""
    run = read_run(folder)
    path = folder / "curves.png"
    plot_curves([_row(cell) for cell in run.results], path, _title(run))
    return path


def curve_figure(run: StoredRun) -> Figure:
    """The figure that ``write_curve`` draws."""
    return curves_figure([_row(cell) for cell in run.results], _title(run))


def _row(cell: CellResult) -> dict[str, object]:
    return asdict(cell)


def _title(run: StoredRun) -> str:
    """What the numbers are of; a model on a data set that it was not made for is said here."""
    spec = run.spec
    title = f"{spec.model} on {spec.dataset} ({spec.split}), {suite_name(spec)}, seed {spec.seed}"
    return "; ".join([title, *spec.notes])


def suite_name(spec: RunSpec) -> str:
    """The suite with the frame in which its lengths are defined."""
    frame = "images at their own size" if spec.frame == NATIVE else f"frame {spec.frame}"
    return f"{spec.suite} ({frame})"


def print_summary(folder: Path, curve: Path) -> None:
    """Print one table per task, what its columns mean, and where the files are."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Column as RichColumn
    from rich.table import Table as RichTable

    from mafs_bench.report.missing import missing_tables
    from mafs_bench.report.overall import overall, overall_lines

    run = read_run(folder)
    console = Console(highlight=False)
    console.print(_title(run), style="bold")
    if not run.spec.corruptions:
        print_tables(clean_tables(run))
    summaries = summarise_run(run)
    for task in dict.fromkeys(s.task for s in summaries):
        of_task = [s for s in summaries if s.task == task]
        table = RichTable(
            *(RichColumn(name, no_wrap=True) for name in summary_header(run.spec.severities)),
            box=SIMPLE_HEAD,
            padding=0,
            pad_edge=False,
            title=_subtitle(of_task),
            title_justify="left",
        )
        for row in summary_rows(of_task, run.spec.severities):
            table.add_row(*row)
        # A narrow terminal wraps a line; it must not cut a number.
        room = Measurement.get(console, console.options.update(max_width=1000), table).maximum
        Console(highlight=False, width=max(room, console.width)).print(table)
        for line in overall_lines(overall(run, of_task)):
            console.print(line, soft_wrap=True)
    if summaries:
        console.print(LEGEND, style="dim")
    for line in remarks(run):
        console.print(line, soft_wrap=True)
    print_tables([*missing_tables(run, summaries), *joint_tables(run)])
    console.print(f"curve    {curve}\nresults  {folder / 'results.json'}", soft_wrap=True)


def _subtitle(summaries: Sequence[CurveSummary]) -> str:
    first = summaries[0]
    most = max(summary.n + summary.left_out for summary in summaries)
    return f"{first.task}: {first.metric}, {most} queries"


def clean_tables(run: StoredRun) -> list[Table]:
    """All metrics that are known of the clean condition, and the primary one in any case; one table per task."""
    columns = (
        Column("metric"),
        Column("clean", SCORE, "with its 95 % interval"),
        Column("n", meaning="rows that are scored"),
    )
    return [
        Table(
            f"{cell.task}, clean",
            columns,
            [
                (name, found, found.n)
                for name, found in cell.metrics.items()
                if found.value is not None or name == get_task(cell.task).primary
            ],
        )
        for cell in run.results
        if cell.corruption is None
    ]


def remarks(run: StoredRun) -> list[str]:
    """What is said once of a run: of its clean cells, and of changes that the model could not see."""
    made = ((cell.task, cell.audit.get("remark")) for cell in run.results if cell.corruption is None)
    return [*(f"{task}: {remark}" for task, remark in made if remark), *_unseen(run)]


def _unseen(run: StoredRun) -> list[str]:
    """Of which corruptions the model could not see the changes, at the severity at which it saw least."""
    worst: dict[str, tuple[float, float, int]] = {}
    for cell in run.results:
        share, beyond = (cell.audit.get(name) for name in (UNSEEN, BEYOND_CUT))
        if cell.corruption is not None and isinstance(share, float) and share >= WORTH_SAYING:
            found = (share, beyond if isinstance(beyond, float) else 0.0, cell.severity)
            worst[cell.corruption] = max(found, worst.get(cell.corruption, found))
    return [
        f"{name}: the model reads {share:.0%} of the changed texts (severity {severity}) as it reads the clean ones"
        + (f", {beyond:.0%} because the change is beyond its context" if beyond else "")
        for name, (share, beyond, severity) in worst.items()
    ]
