"""The figure of README: corruptions of a scene on the left, a board's severity curves on the right.

    python docs/scripts/hero.py --board scenes-fused-retrieval    read the board, store the curves, draw
    python docs/scripts/hero.py                                   draw from the stored curves

It writes ``hero-light.png`` and ``hero-dark.png`` into ``docs/assets``, and both for narrow pages. The curves are kept
in ``docs/results/hero.json``; a test compares them with the board's table.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pages import SCENE

import mafs_bench as mb
from mafs_bench.datasets import scenes
from mafs_bench.types import Image

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "docs" / "results" / "hero.json"
FIGURES = ROOT / "docs" / "assets"
_ROWS = {"fog": "fog", "text_overlay": "text overlay", "image_patch_dropout": "patch dropout"}
_SEVERITIES = (0, 1, 3, 5)
_NAMED = ("mafs-clip@2", "clip+image-only", "clip", "chance")
"""The models with a colour and a label; the others are grey lines."""
_LEAST_DISTANCE = 0.055
"""Between two labels at the end of the curves, in the score's units."""


@dataclass(frozen=True)
class Theme:
    """Colours of one figure; ``lines`` are those of the named models, told apart by the colour-blind too."""

    paper: str
    ink: str
    soft: str
    grid: str
    lines: tuple[str, ...]


THEMES = {
    "light": Theme("#ffffff", "#1f2328", "#57606a", "#d8dee4", ("#0072b2", "#b5470a", "#00785a", "#57606a")),
    "dark": Theme("#0d1117", "#e6edf3", "#9198a1", "#30363d", ("#56b4e9", "#ff9a52", "#3fd0a0", "#9198a1")),
}


def measure(board: str) -> dict[str, Any]:
    """Recompute a board's curves from its submissions: score, low and high per model, clean first."""
    from mafs_bench.leaderboard.boards import load_board
    from mafs_bench.leaderboard.standings import standings

    found = standings(load_board(ROOT / "leaderboards", board))
    curves = {
        entry.card.name: [
            [round(number, 4) if number is not None else None for number in (e.value, e.low, e.high)]
            for e in (entry.cells["clean"], *entry.standings["all"].by_severity)
        ]
        for entry in found.ordered()
    }
    return {
        "board": board,
        "corruptions": len(found.families["all"]),
        "severities": [0, *found.folder.board.severities],
        "curves": curves,
    }


@dataclass(frozen=True)
class Layout:
    """Where things are, in inches: a strip of tiles from its upper left corner, and the box of the curves."""

    size: tuple[float, float]
    strip: tuple[float, float]
    tile: float
    curves: tuple[float, float, float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Inches as shares of the figure."""
        return x / self.size[0], y / self.size[1]

    def box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A box in inches as shares of the figure."""
        return (*self.at(x, y), *self.at(width, height))


LAYOUTS = {
    "": Layout((15.5, 6.4), (2.09, 5.31), 1.53, (9.3, 0.83, 3.57, 4.35)),
    "-narrow": Layout((8.9, 12.1), (2.09, 11.0), 1.53, (1.0, 0.83, 5.2, 3.6)),
}
"""Side by side, and one below the other for narrow pages, by the end of the file's name."""


def draw(data: dict[str, Any], theme: Theme, layout: Layout) -> Figure:
    """The figure in one theme and layout."""
    with mpl.rc_context({"font.family": "DejaVu Sans", "text.color": theme.ink, "font.size": 15}):
        figure = plt.figure(figsize=layout.size, facecolor=theme.paper)
        _draw_strip(figure, layout, theme)
        _draw_curves(figure.add_axes(layout.box(*layout.curves)), data, theme)
        x, top = layout.curves[0], layout.curves[1] + layout.curves[3]
        models = f"{len(data['curves'])} models, mean over {data['corruptions']} corruptions"
        figure.text(*layout.at(x, top + 0.74), "What is left", fontsize=20, fontweight="bold")
        figure.text(
            *layout.at(x, top + 0.29), f"R@1 of fused retrieval, {models}", color=theme.soft, fontsize=14
        )
    return figure


def _draw_strip(figure: Figure, layout: Layout, theme: Theme) -> None:
    left, top = layout.strip
    across, down = layout.tile + 0.09, layout.tile + 0.09
    figure.text(*layout.at(left, top + 0.61), "What is done to the input", fontsize=20, fontweight="bold")
    for row, (name, label) in enumerate(_ROWS.items()):
        bottom = top - layout.tile - row * down
        figure.text(*layout.at(left - 0.12, bottom + layout.tile / 2), label, ha="right", va="center")
        for column, image in enumerate(_images(name)):
            axes = figure.add_axes(layout.box(left + column * across, bottom, layout.tile, layout.tile))
            axes.imshow(image)
            axes.set_axis_off()
            if row == 0:
                title = f"severity {_SEVERITIES[column]}" if column else "clean"
                axes.set_title(title, color=theme.soft, fontsize=14, pad=5)
    damaged = mb.corrupt_text(_scene().captions[0], "keyboard", severity=5, suite="core@2")
    y = top - len(_ROWS) * down - 0.22
    figure.text(*layout.at(left - 0.12, y), "keyboard, 5", ha="right")
    figure.text(*layout.at(left, y), textwrap.shorten(f"“{damaged}", 58, placeholder=" …”"), color=theme.soft)


def _scene() -> mb.Sample:
    return scenes.load("", "test", limit=SCENE + 1).samples[SCENE]


def _images(name: str) -> list[Image]:
    image = _scene().image.load()
    return [
        mb.corrupt_image(image, name, severity, sample_id="docs", suite="core@2") for severity in _SEVERITIES
    ]


def _draw_curves(axes: Axes, data: dict[str, Any], theme: Theme) -> None:
    severities = data["severities"]
    axes.set_facecolor(theme.paper)
    curves = {name: np.array(rows, dtype=float) for name, rows in data["curves"].items()}
    for rows in (rows for name, rows in curves.items() if name not in _NAMED):
        axes.plot(severities, rows[:, 0], color=theme.grid, linewidth=1.6, zorder=1)
    named = {name: curves[name] for name in _NAMED if name in curves}
    for (name, rows), colour in zip(named.items(), theme.lines, strict=False):
        axes.plot(severities, rows[:, 0], color=colour, linewidth=3.4, marker="o", markersize=8, label=name)
        axes.vlines(severities, rows[:, 1], rows[:, 2], color=colour, linewidth=2.4)
    for (name, rows), colour, y in zip(
        named.items(), theme.lines, _spread([rows[-1, 0] for rows in named.values()]), strict=False
    ):
        text = f"{name}  {rows[-1, 0]:.2f}"
        axes.text(severities[-1] + 0.15, y, text, color=colour, va="center", fontweight="bold", fontsize=14)
    axes.set(ylim=(0, 1), xlim=(-0.1, severities[-1] + 0.05), yticks=(0, 0.5, 1), xticks=severities)
    axes.set_xticklabels(["clean", *map(str, severities[1:])])
    axes.set_xlabel("severity", color=theme.soft)
    axes.tick_params(colors=theme.soft, length=0, labelsize=14)
    axes.grid(axis="y", color=theme.grid)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(theme.grid)


def _spread(heights: Sequence[float]) -> list[float]:
    """Heights of labels that would overlap, moved apart downwards."""
    moved = list(heights)
    order = sorted(range(len(moved)), key=lambda i: -moved[i])
    for above, below in pairwise(order):
        moved[below] = min(moved[below], moved[above] - _LEAST_DISTANCE)
    return moved


def main() -> None:
    """Parse, measure where a board is named, draw."""
    mpl.use("agg")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", help="recompute the curves from this board first")
    board = parser.parse_args().board
    if board is not None:
        STORED.write_text(json.dumps(measure(board), indent=1) + "\n", encoding="utf-8")
    data = json.loads(STORED.read_text(encoding="utf-8"))
    for name, theme in THEMES.items():
        for end, layout in LAYOUTS.items():
            file = FIGURES / f"hero-{name}{end}.png"
            draw(data, theme, layout).savefig(file, dpi=100, facecolor=theme.paper)


if __name__ == "__main__":
    main()
