"""Figures of severity curves, for the terminal user's folder and for papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mafs_bench.report.curves import Curve, Row, curves_of, primary_metric, task_names

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f3c8d", "#555555")
"""Okabe and Ito's palette, told apart by colour-blind readers; without its yellow, too faint on white."""
_MARKERS = "osD^vPX*"
_MOST_COLOURED = len(_COLOURS)


def plot_curves(cells: Sequence[Row], path: Path, title: str) -> None:
    """Draw severity curves of each task's primary metric into ``path`` (PNG, SVG or PDF by its suffix).

    One panel a task, severity 0 (clean) to 5 on x, the interval as a band, one line a corruption. Where there
    are more lines than colours, the worst ones are coloured and the others are grey.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    tasks = task_names(cells)
    columns = max(len(tasks), 1)
    figure = Figure(figsize=(1.2 + 5.6 * columns, 4.2), layout="constrained")
    figure.suptitle(title, fontsize=11)
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for task, panel in zip(tasks, panels, strict=False):
        _draw_panel(panel, curves_of(cells, task), task)
    with rc_context({"svg.hashsalt": "mafs-bench"}):  # the same cells give the same bytes
        figure.savefig(path, dpi=150, metadata=_undated(path))


def _undated(path: Path) -> dict[str, None]:
    """Leave out the date that a vector format would carry."""
    keys = {".svg": "Date", ".pdf": "CreationDate"}
    return {keys[path.suffix]: None} if path.suffix in keys else {}


def _draw_panel(panel: Any, curves: Sequence[Curve], task: str) -> None:
    ordered = sorted(curves, key=lambda curve: np.nan_to_num(curve.corrupted_mean, nan=np.inf))
    coloured, grey = ordered[:_MOST_COLOURED], ordered[_MOST_COLOURED:]
    for curve in grey:
        panel.plot(curve.severities, curve.values, color="#bbbbbb", linewidth=0.7, zorder=1)
    for curve, colour, marker in zip(coloured, _COLOURS, _MARKERS, strict=False):
        panel.fill_between(curve.severities, curve.lows, curve.highs, color=colour, alpha=0.13, linewidth=0)
        label = curve.corruption.replace("_", " ")
        panel.plot(curve.severities, curve.values, color=colour, marker=marker, markersize=4, label=label)
    if grey:
        panel.plot([], [], color="#bbbbbb", linewidth=0.7, label=f"{len(grey)} milder ones")
    panel.set_title(task, fontsize=10)
    panel.set_xlabel("severity (0: clean)")
    panel.set_ylabel(f"{primary_metric(task)}, 95 % interval")
    panel.set_xticks(range(6))
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=7, frameon=False, loc="best")
