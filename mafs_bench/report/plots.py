"""Figures of severity curves, for the terminal user's folder and for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mafs_bench.report.curves import Curve, Row, curves_of, primary_metric, task_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f3c8d", "#555555")
"""Okabe and Ito's colour-blind-safe palette, without its yellow, which is too faint on white."""
_MARKERS = "osD^vPX*"
_PANELS_PER_ROW = 3
_MOST_COLOURED = len(_COLOURS)


@dataclass(frozen=True)
class Panel:
    """One set of axes: a title, what goes up, and its curves."""

    title: str
    up: str
    curves: Sequence[Curve]


def plot_curves(cells: Sequence[Row], path: Path, title: str) -> None:
    """Draw severity curves of each task's primary metric into ``path`` (PNG, SVG or PDF by its suffix).

    One panel a task, severity 0 (clean) to 5 on x, the interval as a band, one line a corruption. Where there
    are more lines than colours, the worst ones are coloured and the others are grey.
    """
    _save(curves_figure(cells, title), path)


def curves_figure(cells: Sequence[Row], title: str) -> Figure:
    """The figure that ``plot_curves`` writes."""
    panels = [
        Panel(task, f"{primary_metric(task)}, 95 % interval", curves_of(cells, task))
        for task in task_names(cells)
    ]
    return panels_figure(panels, title)


def plot_panels(panels: Sequence[Panel], path: Path, title: str) -> None:
    """Draw panels into ``path``."""
    _save(panels_figure(panels, title), path)


def panels_figure(panels: Sequence[Panel], title: str) -> Figure:
    """Panels side by side, three in a row."""
    columns = min(max(len(panels), 1), _PANELS_PER_ROW)
    rows = -(-max(len(panels), 1) // columns)
    figure = _figure(1.2 + 5.6 * columns, 0.4 + 3.8 * rows, title)
    cells = [axes for row in figure.subplots(rows, columns, squeeze=False) for axes in row]
    for panel, axes in zip(panels, cells, strict=False):
        _draw_panel(axes, panel)
    for unused in cells[len(panels) :]:
        unused.set_visible(False)
    return figure


def plot_heat_map(curves: Sequence[Curve], path: Path, title: str) -> None:
    """Draw corruption x severity, the value in each field, darker where it is lower."""
    severities = sorted({int(s) for curve in curves for s in curve.severities})
    values = np.full((len(curves), len(severities)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        row[np.searchsorted(severities, curve.severities)] = curve.values
    figure = _figure(2.6 + 0.75 * len(severities), 1.4 + 0.27 * len(curves), title)
    axes = figure.subplots()
    image = axes.imshow(values, aspect="auto", cmap="cividis")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2 if np.isfinite(values).any() else 0.0
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value < middle else "black"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(severities)), ["clean" if s == 0 else str(s) for s in severities])
    axes.set_yticks(range(len(curves)), [curve.corruption.replace("_", " ") for curve in curves], fontsize=7)
    axes.set_xlabel("severity")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=curves[0].metric if curves else "")
    _save(figure, path)


def _figure(width: float, height: float, title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def _save(figure: Any, path: Path) -> None:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "mafs-bench", "pdf.fonttype": 42}):  # the same cells give the same bytes
        figure.savefig(path, dpi=150, metadata=_undated(path))


def _undated(path: Path) -> dict[str, None]:
    """Leave out the date that a vector format would carry."""
    keys = {".svg": "Date", ".pdf": "CreationDate"}
    return {keys[path.suffix]: None} if path.suffix in keys else {}


def _draw_panel(axes: Any, panel: Panel) -> None:
    ordered = sorted(panel.curves, key=lambda curve: np.nan_to_num(curve.corrupted_mean, nan=np.inf))
    coloured, grey = ordered[:_MOST_COLOURED], ordered[_MOST_COLOURED:]
    for curve in grey:
        axes.plot(curve.severities, curve.values, color="#bbbbbb", linewidth=0.7, zorder=1)
    for curve, colour, marker in zip(coloured, _COLOURS, _MARKERS, strict=False):
        axes.fill_between(curve.severities, curve.lows, curve.highs, color=colour, alpha=0.13, linewidth=0)
        label = curve.corruption.replace("_", " ")
        axes.plot(curve.severities, curve.values, color=colour, marker=marker, markersize=4, label=label)
    if grey:
        axes.plot([], [], color="#bbbbbb", linewidth=0.7, label=f"{len(grey)} more")
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel("severity (0: clean)")
    axes.set_ylabel(panel.up)
    axes.set_xticks(range(6))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False, loc="best")
