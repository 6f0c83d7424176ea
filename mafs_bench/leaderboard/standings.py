"""Standings of a board, recomputed from the per-sample scores of its submissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mafs_bench.corruptions import suite as suites
from mafs_bench.leaderboard.boards import BoardFolder
from mafs_bench.leaderboard.schemas import Card, Spec
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.leaderboard.validation import read_submission
from mafs_bench.metrics import metrics_of
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.ranking import Ranked, ranking
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    mean,
    replicate_all,
    replicate_paired,
)
from mafs_bench.stats.robustness import paired_mmi
from mafs_bench.types import Estimate, Metric

N_RESAMPLES = 2000
ALL = "all"
"""The family of all corruptions that keep the meaning."""


@dataclass(frozen=True)
class Standing:
    """How a model stands in one family: mean over its corruptions and severities, MMI, the worst cell, place.

    by_severity: the mean over the family's corruptions, one estimate a severity.
    """

    corrupted: Estimate
    mmi: Estimate
    worst: str
    worst_value: float | None
    place: Ranked
    by_severity: tuple[Estimate, ...]


@dataclass(frozen=True)
class Entry:
    """One model on a board. cells: an estimate of the primary metric a condition."""

    name: str
    card: Card
    spec: Spec
    cells: Mapping[str, Estimate]
    standings: Mapping[str, Standing]


@dataclass(frozen=True)
class Standings:
    """A board with its entries; families maps each family to its corruptions, ``all`` first.

    inapplicable: corruptions that can change no sample of the data set. They have no part in any mean.
    """

    folder: BoardFolder
    families: Mapping[str, tuple[str, ...]]
    entries: tuple[Entry, ...]
    inapplicable: tuple[str, ...] = ()

    def ordered(self, family: str = ALL) -> list[Entry]:
        """Entries by their value in a family, best first."""
        return sorted(self.entries, key=lambda entry: _sort_key(entry, family))


def _sort_key(entry: Entry, family: str) -> tuple[float, str]:
    value = entry.standings[family].corrupted.value
    return (np.inf if value is None else -value, entry.name)


def standings(folder: BoardFolder, newcomer: Submission | None = None) -> Standings:
    """Recompute a board, with ``newcomer`` in place of whoever has its name.

    Raises ``SubmissionError`` for a submission that does not pass validation.
    """
    known = {path.name: read_submission(path, folder) for path in folder.submissions()}
    submissions = list({**known, **({newcomer.name: newcomer} if newcomer else {})}.values())
    if not submissions:
        return Standings(folder, families_of(folder), ())
    resampling = Resampling(submissions[0].frames["clean"]["group"], N_RESAMPLES, folder.board.seed)
    scored = {own.name: _Scored(own, folder, resampling) for own in submissions}
    inapplicable = _inapplicable(folder, scored)
    families = families_of(folder, inapplicable)
    severities = folder.board.severities
    places = {
        family: _places({name: one.mean(names, severities) for name, one in scored.items()})
        for family, names in families.items()
    }
    entries = [
        Entry(
            one.submission.name,
            one.submission.card,
            one.submission.spec,
            {label: estimate(made) for label, made in one.cells.items()},
            {family: one.standing(names, places[family][name]) for family, names in families.items()},
        )
        for name, one in scored.items()
    ]
    return Standings(folder, families, tuple(entries), inapplicable)


def _inapplicable(folder: BoardFolder, scored: Mapping[str, _Scored]) -> tuple[str, ...]:
    """The corruptions under which no submission has a score, at any severity.

    Where one submission alone lacks them, its mean is undefined: no model gains by what it leaves out.
    """
    found = []
    for name in folder.board.corruptions:
        labels = [f"{name}-{severity}" for severity in folder.board.severities]
        if all(one.cells[label].n == 0 for one in scored.values() for label in labels):
            found.append(name)
    return tuple(found)


def families_of(folder: BoardFolder, inapplicable: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Group a board's corruptions; ``all`` leaves out those that change the meaning."""
    known = suites.load(folder.board.suite).corruptions
    names = [name for name in folder.board.corruptions if name not in inapplicable]
    families: dict[str, list[str]] = {
        ALL: [n for n in names if n not in known or not known[n].meaning_changing]
    }
    for name in names:
        families.setdefault(known[name].family if name in known else "joint", []).append(name)
    return {family: tuple(members) for family, members in families.items() if members}


def primary(folder: BoardFolder) -> Metric:
    """Return the metric that a board ranks by."""
    return next(m for m in metrics_of(folder.board.task) if m.name == folder.board.metric)


def _places(means: Mapping[str, Replicates]) -> dict[str, Ranked]:
    return {row.model: row for row in ranking(means)}


class _Scored:
    """A submission with the resampled values of all its conditions."""

    def __init__(self, submission: Submission, folder: BoardFolder, resampling: Resampling) -> None:
        self.submission = submission
        self.severities = folder.board.severities
        self.metric = primary(folder)
        self.resampling = resampling
        labels = list(folder.board.conditions)
        made = replicate_all([(self.metric, submission.frames[label]) for label in labels], resampling)
        self.cells = dict(zip(labels, made, strict=True))

    def mean(self, corruptions: Sequence[str], severities: Sequence[int]) -> Replicates:
        """The mean over some corruptions and severities."""
        return mean([self.cells[f"{c}-{s}"] for c in corruptions for s in severities])

    def standing(self, corruptions: Sequence[str], place: Ranked) -> Standing:
        labels = [f"{c}-{s}" for c in corruptions for s in self.severities]
        worst = min(labels, key=lambda label: np.nan_to_num(self.cells[label].value, nan=np.inf))
        return Standing(
            estimate(self.mean(corruptions, self.severities)),
            estimate(paired_mmi([self.pairs[label] for label in labels])),
            worst,
            estimate(self.cells[worst]).value,
            place,
            tuple(estimate(self.mean(corruptions, (severity,))) for severity in self.severities),
        )

    @cached_property
    def pairs(self) -> dict[str, tuple[Replicates, Replicates]]:
        """Clean and corrupted, over the rows that both score."""
        return {label: self._pair(label) for label in self.cells if label != "clean"}

    def _pair(self, label: str) -> tuple[Replicates, Replicates]:
        if self.cells[label].n_unscored == 0:
            return self.cells["clean"], self.cells[label]
        frames: list[pd.DataFrame] = [self.submission.frames[name] for name in ("clean", label)]
        clean, corrupted = replicate_paired(self.metric, frames, self.resampling)
        return clean, corrupted
