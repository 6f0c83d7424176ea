"""``verified.toml`` of a board: which entries a maintainer ran again, and which flags a maintainer accepted.

It is next to ``board.toml`` and belongs to the maintainers; a file with that name inside a submission is ignored.
An entry is bound to the hash of its manifest, so that a changed entry is unverified again.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.schemas import Slug, Verification
from mafs_bench.tasks import get_task

FILE = "verified.toml"

LEAST_AGREEMENT = 0.98
"""The share of a cell's rows that must be equal in both runs: hardware and libraries change a few."""

MOST_DIFFERENCE = 0.01
"""The largest difference of the board's metric in any rerun cell."""

_TOLERANCE = 1e-3

_TABLE = TypeAdapter(dict[Slug, Verification])


@dataclass(frozen=True)
class Agreement:
    """One rerun condition. share: of rows with the same score; same_inputs: by content hash."""

    label: str
    share: float
    stated: float
    found: float
    same_inputs: bool

    @property
    def holds(self) -> bool:
        """Whether the stated scores are those of the rerun model."""
        close = abs(self.stated - self.found) <= MOST_DIFFERENCE or self.stated == self.found
        return self.share >= LEAST_AGREEMENT and close

    def __str__(self) -> str:
        """One line of the output of ``leaderboard verify``."""
        inputs = "" if self.same_inputs else ", inputs differ by content hash"
        return (
            f"{self.label}: {self.share:.1%} of the rows agree, {self.stated:.4g} stated, "
            f"{self.found:.4g} found{inputs}"
        )


def share_of_equal_rows(task: str, stated: pd.DataFrame, found: pd.DataFrame) -> float:
    """The share of rows with equal scores, matched by their keys; 0 if the rows are not the same.

    Ranks count as equal if both are hits or both misses, because ties decide the ranks of misses. Other scores may
    differ by 0.001.
    """
    keys = get_task(task).row_keys
    a, b = (frame.astype(dict.fromkeys(keys, str)).sort_values(keys) for frame in (stated, found))
    if not np.array_equal(a[keys].to_numpy(), b[keys].to_numpy()):
        return 0.0
    x, y = a["score"].to_numpy(dtype=float), b["score"].to_numpy(dtype=float)
    if next(column.whole for column in get_task(task).columns if column.name == "score"):
        x, y = np.minimum(x, 2), np.minimum(y, 2)
    return float(np.isclose(x, y, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True).mean())


def read_verified(board: Path) -> dict[str, Verification]:
    """Read ``verified.toml`` of a board's folder; empty where there is none. Raises ``SubmissionError``."""
    file = board / FILE
    try:
        return _TABLE.validate_json(json.dumps(tomllib.loads(file.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as problem:
        raise SubmissionError(f"{file}: {problem}") from problem


def record(board: Path, name: str, change: Verification) -> None:
    """Update the record of an entry; fields that ``change`` leaves empty keep their value for the same bundle."""
    known = read_verified(board)
    before = known.get(name)
    if before is not None and before.manifest == change.manifest:
        change = before.model_copy(update=change.model_dump(exclude_defaults=True))
    known[name] = change
    (board / FILE).write_text(_to_toml(known), encoding="utf-8", newline="\n")


def _to_toml(known: Mapping[str, Verification]) -> str:
    def lines(name: str) -> Sequence[str]:
        values = known[name].model_dump(mode="json", exclude_defaults=True, exclude_none=True)
        return (
            f"[{json.dumps(name)}]",
            *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()),
            "",
        )

    head = "# Written by mafs-bench leaderboard verify and accept.\n"
    return head + "\n".join(line for name in sorted(known) for line in lines(name))
