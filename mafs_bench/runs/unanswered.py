"""What a model gave no answer to: wrong answers like others, counted in each cell and listed beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mafs_bench.runs.plan import Cell
from mafs_bench.runs.store import cell_file, read_cell, write_atomically

FILE = "unanswered.tsv"
"""The list: task, condition, sample and why."""

AUDIT = "unanswered"
"""The name under which the record of a cell counts them."""


def unanswered(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The ids of a cell's rows that were not answered, each with the reason."""
    empty = np.zeros(len(frame), dtype=bool)
    for column in {"answer", "caption"} & set(frame.columns):
        empty |= (frame[column] == "").to_numpy(dtype=bool)
    reason = np.where(empty, "empty", "").astype(object)
    if "unanswered" in frame:
        reason[frame["unanswered"].to_numpy(dtype=bool)] = "neither yes nor no"
    if "refused" in frame:
        reason[(frame["refused"] == 1).to_numpy(dtype=bool)] = "refused"
    return [(str(own), str(why)) for own, why in zip(frame["id"], reason, strict=True) if why]


def list_unanswered(folder: Path, cells: Iterable[Cell]) -> str | None:
    """Write the list of a run, where there is anything to list; gives the line that says so. Raises ``StoreError``."""
    lines = [
        f"{cell.task.name}\t{cell.condition.label}\t{own}\t{why}\n"
        for cell in cells
        for own, why in unanswered(read_cell(cell_file(folder, cell.task.name, cell.condition))[0])
    ]
    if not lines:
        return None
    write_atomically(folder / FILE, "".join(["task\tcondition\tid\twhy\n", *lines]).encode())
    refused = sum(line.endswith("\trefused\n") for line in lines)
    shown = f" ({refused:,} of them refused)" if refused else ""
    return f"{len(lines):,} answers are empty or none{shown}: they count as wrong and are listed in {FILE}"
