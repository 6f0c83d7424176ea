"""One table in four formats: terminal, Markdown, CSV and LaTeX (booktabs).

A cell that has no value is "n/a" to readers and empty in CSV, never 0. CSV keeps full precision and gives an
estimate five columns (value, low, high, n, n_unscored); the others round.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.errors import UsageError
from mafs_bench.types import Estimate

if TYPE_CHECKING:
    import pandas as pd

Value = str | float | int | bool | Estimate | None
Format = Callable[[Value], str]
MISSING = "n/a"
TOO_FEW = "too few"
"""In place of an interval: there are too few images, or they show no spread."""
FLOOR = "at floor"
"""In place of a measure of loss: the clean score is not above chance."""
FLOOR_NOTE = f"{FLOOR}: the clean score is not above chance, so no loss can be measured."


def _missing(value: Value) -> bool:
    """Whether there is no value: None, and the mean of nothing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(digits: int, signed: bool = False) -> Format:
    form = f"{'+' if signed else ''}.{digits}f"

    def show(value: Value) -> str:
        if isinstance(value, Estimate):
            return _interval(value, form)
        return format(value, form) if isinstance(value, float) else str(value)

    return show


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.value is None:
        return MISSING
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{form}} [{TOO_FEW}]"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def _p_value(value: Value) -> str:
    if not isinstance(value, float):
        return str(value)
    return "<0.001" if value < 0.001 else f"{value:.3f}"


TEXT: Format = str
SCORE = _number(3)
CHANGE = _number(3, signed=True)
PER_CENT = _number(1)
P_VALUE: Format = _p_value


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, how it is shown, and what it means (printed below the table)."""

    header: str
    show: Format = TEXT
    meaning: str = ""

    def shown(self, value: Value) -> str:
        """``value`` as a reader sees it."""
        return MISSING if _missing(value) else self.show(value)


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of values in their order, and lines of notes."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    notes: Sequence[str] = field(default_factory=tuple)

    def shown(self) -> list[list[str]]:
        """All rows as a reader sees them."""
        return [[c.shown(v) for c, v in zip(self.columns, row, strict=True)] for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """All rows with full precision; an estimate becomes a column of its own name, and ``…_low`` and ``…_high``."""
        import pandas as pd

        columns: dict[str, list[Value]] = {}
        for number, column in enumerate(self.columns):
            values = [row[number] for row in self.rows]
            if not any(isinstance(value, Estimate) for value in values):
                columns[column.header] = values
                continue
            for ending, part in (("", "value"), ("_low", "low"), ("_high", "high")):
                columns[column.header + ending] = [
                    getattr(value, part) if isinstance(value, Estimate) else value for value in values
                ]
        return pd.DataFrame(columns)

    def legend(self) -> list[str]:
        """What the columns mean, then the notes."""
        return [f"{c.header}: {c.meaning}" for c in self.columns if c.meaning] + list(self.notes)


def to_markdown(table: Table) -> str:
    """A GitHub table under a heading, with the meaning of its columns below."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    header = [column.header for column in table.columns]
    rule = ["---" if column.show is TEXT else "---:" for column in table.columns]
    body = [line(header), line(rule), *(line(row) for row in table.shown())]
    legend = [f"- {note}" for note in table.legend()]
    return "\n".join([f"### {table.title}", "", *body, "", *legend]).rstrip() + "\n"


def to_csv(table: Table) -> str:
    """RFC 4180 with full precision; an estimate takes five columns."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    wide = [any(isinstance(row[i], Estimate) for row in table.rows) for i in range(len(table.columns))]
    parts = ("", " low", " high", " n", " unscored")
    header = [
        c.header + part for c, w in zip(table.columns, wide, strict=True) for part in (parts if w else ("",))
    ]
    writer.writerow(header)
    for row in table.rows:
        writer.writerow([cell for v, w in zip(row, wide, strict=True) for cell in _raw(v, w)])
    return sink.getvalue()


def _raw(value: Value, wide: bool) -> list[str]:
    if isinstance(value, Estimate):
        parts = (value.value, value.low, value.high, value.n, value.n_unscored)
        return ["" if part is None else repr(part) for part in parts]
    cell = "" if _missing(value) else repr(value) if isinstance(value, float) else str(value)
    return [cell, "", "", "", ""] if wide else [cell]


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "−": r"$-$",
        "Σ": r"$\Sigma$",
        "β": r"$\beta$",
        "ρ": r"$\rho$",
        "τ": r"$\tau$",
        "≥": r"$\geq$",
        "×": r"$\times$",
        "–": "--",
    }
)


def to_latex(table: Table) -> str:
    r"""A ``table`` environment with ``booktabs`` rules, for ``\usepackage{booktabs}``."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.replace("\n", " ").translate(_LATEX) for cell in cells) + r" \\"

    align = "".join("l" if column.show is TEXT else "r" for column in table.columns)
    body = [line(row) for row in table.shown()]
    caption = ". ".join([table.title, *(note.rstrip(".") for note in table.legend())]).translate(_LATEX)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}.}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            line([column.header for column in table.columns]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


RENDERERS: Mapping[str, Callable[[Table], str]] = {".md": to_markdown, ".csv": to_csv, ".tex": to_latex}
"""Suffix of a file -> what is written into it."""


def check_suffixes(paths: Sequence[Path]) -> None:
    """Refuse a file that no format belongs to, before any work is done. Raises ``UsageError``."""
    for path in paths:
        if path.suffix not in RENDERERS:
            raise UsageError(f"{path}: a table is written as {', '.join(RENDERERS)}, not as {path.suffix!r}")


def write_tables(tables: Sequence[Table], path: Path) -> None:
    """Write tables one below the other in the format of the file's suffix. Raises ``UsageError``."""
    check_suffixes([path])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(RENDERERS[path.suffix](table) for table in tables), encoding="utf-8")


_PIPE_WIDTH = 200


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables as wide as the terminal's window (a pipe has room), intervals below their values.

    What the columns mean comes once, below all of them.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column as RichColumn
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    for table in tables:
        columns = [
            RichColumn(Text(c.header), justify="left" if c.show is TEXT else "right", overflow="fold")
            for c in table.columns
        ]
        shown = RichTable(*columns, box=SIMPLE_HEAD, pad_edge=False)
        for row in table.shown():
            shown.add_row(*(Text(cell.replace(" [", "\n[")) for cell in row))
        console.print(Text(table.title, style="bold"))
        console.print(shown)
    for note in dict.fromkeys(note for table in tables for note in table.legend()):
        console.print(Text(note, style="dim"))
