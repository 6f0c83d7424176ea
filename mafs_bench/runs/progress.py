"""Progress of a run on stderr: bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from mafs_bench.runs.plan import Cell


class Quiet:
    """Says nothing, but counts what is stored."""

    _folder: Path | None = None
    _cells = 0
    _done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back."""

    def kept(self) -> str:
        """What is stored so far, for the line that ends a run that was stopped.

        Counted in the folder: the stop may come between the storing of a cell and ``cell``.
        """
        if self._folder is None:
            return "nothing was started"
        stored = len(list(self._folder.glob("cells/*.parquet")))
        return (
            f"{stored} of {self._cells} cells are stored in {self._folder}; "
            "the same command with this --out resumes there"
        )

    def start(self, cells: int, stored: int, folder: Path) -> None:
        """How many cells the run has, and how many were there already."""
        self._folder, self._cells, self._done = folder, cells, stored

    def rows(self, n: int) -> None:
        """``n`` more images went through the model."""

    def cell(self, cell: Cell) -> None:
        """One more cell is stored."""
        self._done += 1

    def note(self, line: str) -> None:
        """Something that the user should know."""


class Lines(Quiet):
    """One plain line per cell, for logs and pipes."""

    def start(self, cells: int, stored: int, folder: Path) -> None:
        """Say where the results go."""
        super().start(cells, stored, folder)
        self._images = 0
        self._began = time.monotonic()
        self.note(f"{folder}: {cells} cells" + (f", {stored} already stored" if stored else ""))

    def rows(self, n: int) -> None:
        """Count images."""
        self._images += n

    def cell(self, cell: Cell) -> None:
        """Print the cell with the time since the start."""
        super().cell(cell)
        spent = time.monotonic() - self._began
        self.note(
            f"[{self._done}/{self._cells}] {cell.task.name} {cell.condition.label} "
            f"({spent:.0f} s, {self._images} images)"
        )

    def note(self, line: str) -> None:
        """Print the line."""
        print(line, file=sys.stderr, flush=True)


class Bars(Quiet):
    """A rich progress bar over cells, with the images that went through the model."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("cells · {task.fields[images]:,} images"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._images = 0

    def start(self, cells: int, stored: int, folder: Path) -> None:
        """Draw the bar."""
        super().start(cells, stored, folder)
        self.note(f"results in {folder}" + (f" ({stored} of {cells} cells are there)" if stored else ""))
        self._bar.start()
        self._task = self._bar.add_task("clean", total=cells, completed=stored, images=0)

    def rows(self, n: int) -> None:
        """Count images."""
        self._images += n
        self._bar.update(self._task, images=self._images)

    def cell(self, cell: Cell) -> None:
        """Move the bar by one cell."""
        super().cell(cell)
        self._bar.update(self._task, advance=1, description=cell.condition.label)

    def note(self, line: str) -> None:
        """Print above the bar."""
        self._bar.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def make_progress(*, quiet: bool) -> Quiet:
    """Choose by where stderr goes."""
    if quiet:
        return Quiet()
    return Bars() if sys.stderr.isatty() else Lines()
