"""What a run will cost: a handful of its samples is run and timed, and the whole is estimated from it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mafs_bench.datasets.subset import subset
from mafs_bench.runs.execute import FinishedRun, Progress, Resources, execute
from mafs_bench.runs.plan import Cell, Plan
from mafs_bench.runs.store import cell_file, read_cell

HANDFUL = 8
"""Samples that are timed."""


@dataclass(frozen=True)
class Cost:
    """An estimate. samples, rows, requests: over all cells; requests and tokens are 0 where no server is asked.

    seconds: of the whole run. memory: bytes of this process, and of the accelerator where it is one. price: in the
    currency of the prices per million tokens, None without prices. timed: samples that it was estimated from.
    """

    cells: int
    samples: int
    rows: int
    requests: int
    tokens_in: int
    tokens_out: int
    seconds: float
    memory: int
    price: float | None
    timed: int

    def lines(self) -> list[str]:
        """The estimate in words, a line each."""
        asked = [
            f"requests  {self.requests:,}",
            f"tokens    about {self.tokens_in:,} in, {self.tokens_out:,} out",
        ]
        return [
            f"cells     {self.cells:,}",
            f"images    {self.samples:,} ({self.rows:,} scored rows)",
            *(asked if self.requests else []),
            f"time      about {_duration(self.seconds)}, from {self.timed} samples",
            f"memory    about {self.memory / (1 << 30):.1f} GB",
            *([] if self.price is None else [f"price     about {self.price:,.2f}"]),
        ]


@dataclass
class _Timed:
    """A ``Progress`` that notes when each cell was stored."""

    shown: Progress
    stored: list[float] = field(default_factory=list)

    def start(self, cells: int, stored: int, folder: Path) -> None:
        self.stored.append(time.monotonic())

    def rows(self, n: int) -> None:
        """Nothing is shown."""

    def cell(self, cell: Cell) -> None:
        self.stored.append(time.monotonic())

    def note(self, line: str) -> None:
        self.shown.note(line)


def dry_run(
    plan: Plan,
    resources: Resources,
    folder: Path,
    progress: Progress,
    price_in: float | None,
    price_out: float | None,
) -> tuple[FinishedRun, Cost]:
    """Run a handful of samples into ``folder`` and estimate the whole.

    price_in, price_out: per million tokens, None for not known. Raises what ``execute`` raises.
    """
    n, total = min(HANDFUL, len(plan.dataset.samples)), len(plan.dataset.samples)
    small = replace(plan, dataset=subset(plan.dataset, range(n)), cells=_typical(plan.cells))
    timed, began = _Timed(progress), time.monotonic()
    finished = execute(small, resources, folder, timed)
    frames = [read_cell(cell_file(folder, c.task.name, c.condition))[0] for c in small.cells]
    rows = {cell.task.name: len(frame) / n for cell, frame in zip(small.cells, frames, strict=True)}
    all_rows = round(sum(rows[cell.task.name] for cell in plan.cells) * total)
    # The first cell also compiles and starts workers, which happens once.
    spent = [later - earlier for earlier, later in zip(timed.stored, timed.stored[1:], strict=False)]
    a_cell = sum(spent[1:] or spent) / len(spent[1:] or spent) / n
    start = timed.stored[0] - began + spent[0]
    usage = finished.spec.usage
    asked = usage.get("requests", 0.0)
    requests = all_rows if asked else 0
    each = {name: usage[name] / max(1.0, asked - usage["from_cache"]) for name in _MEASURED} if asked else {}
    tokens_in, tokens_out = (round(requests * each.get(name, 0.0)) for name in ("tokens_in", "tokens_out"))
    waiting = requests * each.get("server_seconds", 0.0) / resources.concurrency
    priced = price_in is not None or price_out is not None
    price = (tokens_in * (price_in or 0.0) + tokens_out * (price_out or 0.0)) / 1e6
    cost = Cost(
        len(plan.cells),
        total * len(plan.cells),
        all_rows,
        requests,
        tokens_in,
        tokens_out,
        start + (waiting if asked else a_cell * total * len(plan.cells)),
        _peak_memory(),
        price if priced else None,
        n,
    )
    return finished, cost


_MEASURED = ("tokens_in", "tokens_out", "server_seconds")


def _typical(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """For each task its clean cell and its first corrupted ones, at most two."""
    kept: list[Cell] = []
    for task in dict.fromkeys(cell.task.name for cell in cells):
        kept += [cell for cell in cells if cell.task.name == task][:3]
    return tuple(cell for cell in cells if cell in kept)


def _peak_memory() -> int:
    """Bytes: the most that this process has taken, and the most of an accelerator."""
    import torch

    unit = 1 if sys.platform == "darwin" else 1 << 10
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return here + (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
