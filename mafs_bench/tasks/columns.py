"""The columns of per-sample scores that a task's metrics read: what a leaderboard's records hold of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """One column. ``bounds`` is None for text; ``fixed``: the same under every condition.

    ``whole``: only whole numbers (ranks, labels). ``nullable``: may be null, which is unscored.
    """

    name: str
    bounds: tuple[float, float] | None = None
    whole: bool = False
    fixed: bool = False
    nullable: bool = True

    @property
    def is_text(self) -> bool:
        """Whether it holds strings."""
        return self.bounds is None


KEYS = (ScoreColumn("id", fixed=True, nullable=False), ScoreColumn("group", fixed=True, nullable=False))
"""The columns of every task: the id of a row, and the cluster that it is resampled with."""

DIRECTION = ScoreColumn("direction", fixed=True, nullable=False)
RANK = ScoreColumn("score", (1, 1e7), whole=True)
SHARE = ScoreColumn("score", (0, 1))
CONFIDENCE = ScoreColumn("confidence", (0, 1))
