"""Standings of a board, recomputed from the per-sample scores of its submissions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mafs_bench.corruptions import suite as suites
from mafs_bench.leaderboard.boards import BoardFolder
from mafs_bench.leaderboard.pins import read_pins
from mafs_bench.leaderboard.schemas import Card, Spec, Verification
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.leaderboard.validation import read_submission, screen
from mafs_bench.leaderboard.verification import read_verified
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.ranking import Ranked, ranking
from mafs_bench.stats.resampling import (
    Replicates,
    Resampling,
    combine,
    mean,
    replicate_all,
    replicate_paired,
)
from mafs_bench.stats.robustness import (
    at_floor,
    balanced_mean_of,
    brought_to_all_rows,
    chance_of,
    mmi,
    paired_mmi,
)
from mafs_bench.tasks import get_task
from mafs_bench.types import Estimate, Metric

N_RESAMPLES = 2000
NO_CELL = Estimate(None, None, None, 0, 0)
"""The value for a severity that no corruption has."""
ALL = "all"
"""The family of all corruptions that keep the meaning."""


@dataclass(frozen=True)
class Standing:
    """The result of a model in one family: mean over its corruptions and severities, MMI, worst cell, place.

    corrupted: the mean by which the board ranks. plain: the mean in which every corruption counts once; equal to
    ``corrupted`` in a family of its own. by_severity: the mean over the family's corruptions, one estimate a severity.
    """

    corrupted: Estimate
    plain: Estimate
    mmi: Estimate
    worst: str
    worst_value: float | None
    place: Ranked
    by_severity: tuple[Estimate, ...]


@dataclass(frozen=True)
class Entry:
    """One model on a board. cells: an estimate of the primary metric per condition.

    verified: set if a maintainer reran a part of it and it agreed, otherwise None. flags: why it is not ranked.
    """

    name: str
    card: Card
    spec: Spec
    verified: Verification | None
    flags: tuple[str, ...]
    cells: Mapping[str, Estimate]
    standings: Mapping[str, Standing]
    floor: bool = False
    """Whether the clean score is not above chance, so that a share that is lost means nothing."""

    @property
    def status(self) -> str:
        """``verified``, ``unverified`` or ``flagged``."""
        if self.verified is not None:
            return "verified"
        return "flagged" if self.flags else "unverified"


@dataclass(frozen=True)
class Standings:
    """A board with its entries; families maps each family to its corruptions, ``all`` first.

    inapplicable: corruptions that cannot change any sample of the data set. They are left out of all means.
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
    """Recompute a board, with ``newcomer`` in place of the entry with its name.

    Verified entries are ranked among themselves. Each other entry is ranked alone against them, so that it does not
    change their ranks, and a flagged one is not ranked. Raises ``SubmissionError`` for a submission that does not pass
    validation.
    """
    known = {path.name: read_submission(path, folder) for path in folder.submissions()}
    submissions = {**known, **({newcomer.name: newcomer} if newcomer else {})}
    if not submissions:
        return Standings(folder, families_of(folder), ())
    first = next(iter(submissions.values()))
    resampling = Resampling(first.frames["clean"]["group"], N_RESAMPLES, folder.board.seed)
    scored = {name: _Scored(own, folder, resampling) for name, own in submissions.items()}
    inapplicable = _inapplicable(folder, scored)
    families = families_of(folder, inapplicable)
    severities = folder.board.severities
    verified, accepted = _verdicts(folder, submissions)
    flags = {
        name: _flags(own, submissions, folder) for name, own in submissions.items() if name not in verified
    }
    unranked = {name for name, lines in flags.items() if lines and name not in accepted}
    places = {
        family: _places(
            {name: one.mean(names, severities) for name, one in scored.items()}, verified, unranked
        )
        for family, names in families.items()
    }
    entries = [
        Entry(
            name,
            one.submission.card,
            one.submission.spec,
            verified.get(name),
            flags[name] if name in unranked else (),
            {label: estimate(made) for label, made in one.cells.items()},
            {family: one.standing(names, places[family][name]) for family, names in families.items()},
            one.floor,
        )
        for name, one in scored.items()
    ]
    return Standings(folder, families, tuple(entries), inapplicable)


def _verdicts(
    folder: BoardFolder, submissions: Mapping[str, Submission]
) -> tuple[dict[str, Verification], set[str]]:
    """The verified entries, and those whose flags were accepted, for exactly these bundles."""
    known = {
        name: verdict
        for name, verdict in read_verified(folder.path).items()
        if name in submissions and submissions[name].manifest == verdict.manifest
    }
    verified = {name: verdict for name, verdict in known.items() if verdict.is_verified}
    return verified, {name for name, verdict in known.items() if verdict.accepted}


def _flags(own: Submission, submissions: Mapping[str, Submission], folder: BoardFolder) -> tuple[str, ...]:
    others = [other for name, other in submissions.items() if name != own.name]
    findings = screen(own, others, folder, read_pins(folder))
    return tuple(finding.message for finding in findings if finding.level in ("flag", "error"))


def _inapplicable(folder: BoardFolder, scored: Mapping[str, _Scored]) -> tuple[str, ...]:
    """The corruptions under which nothing is scored: the board's rows say so, the same for every submission."""
    one = next(iter(scored.values()))
    return tuple(
        name
        for name in folder.board.corruptions
        if all(one.cells[label].n == 0 for label in folder.board.labels_of(name))
    )


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
    """The metric that a board ranks by."""
    return get_task(folder.board.task).metric(folder.board.metric)


def _places(
    means: Mapping[str, Replicates], verified: Collection[str], unranked: Collection[str]
) -> dict[str, Ranked]:
    """Rank the verified models among themselves, and every other alone against them."""
    judged = {name: own for name, own in means.items() if name in verified}
    places = {row.model: row for row in ranking(judged)}
    for name, own in means.items():
        if name in judged:
            continue
        if name in unranked or not judged:
            places[name] = Ranked(name, own.value, None, None, None, None)
        else:
            places[name] = next(row for row in ranking({**judged, name: own}) if row.model == name)
    return places


class _Scored:
    """A submission with the resampled values of all its conditions."""

    def __init__(self, submission: Submission, folder: BoardFolder, resampling: Resampling) -> None:
        self.submission = submission
        self.board = folder.board
        self.family_of = {
            name: family for family, names in families_of(folder).items() if family != ALL for name in names
        }
        self.metric = primary(folder)
        self.resampling = resampling
        labels = list(folder.board.conditions)
        made = replicate_all([(self.metric, submission.frames[label]) for label in labels], resampling)
        self.cells = dict(zip(labels, made, strict=True))

    @property
    def floor(self) -> bool:
        """Whether the clean score is not above chance."""
        chance = chance_of(self.metric, self.submission.frames["clean"])
        return at_floor(estimate(self.cells["clean"]), chance)

    def mean(self, corruptions: Sequence[str], severities: Sequence[int]) -> Replicates:
        """The mean over some corruptions and severities, as the board weighs them."""
        if self.board.mean == "plain":
            return mean([self.cells[label] for label in self._labels(corruptions, severities)])
        names, means = self._means(corruptions, severities)
        return balanced_mean_of(means, [self.family_of[name] for name in names])

    def plain_mean(self, corruptions: Sequence[str]) -> Replicates:
        """The mean in which every corruption counts once."""
        if self.board.mean == "plain":
            return self.mean(corruptions, self.board.severities)
        return mean(self._means(corruptions, self.board.severities)[1])

    def standing(self, corruptions: Sequence[str], place: Ranked) -> Standing:
        labels = self._labels(corruptions, self.board.severities)
        levels = {label: self._level(label) for label in labels}
        worst = min(labels, key=lambda label: np.nan_to_num(levels[label].value, nan=np.inf))
        corrupted = self.mean(corruptions, self.board.severities)
        return Standing(
            estimate(corrupted),
            estimate(self.plain_mean(corruptions)),
            estimate(self._mmi(labels, corrupted)),
            worst,
            estimate(levels[worst]).value,
            place,
            tuple(self._at(corruptions, severity) for severity in self.board.severities),
        )

    def _mmi(self, labels: Sequence[str], corrupted: Replicates) -> Replicates:
        """Of the mean that the board ranks by; where that is plain, of pairs, each over its own rows."""
        if self.board.mean == "plain":
            return paired_mmi([self.pairs[label] for label in labels])
        return combine(lambda clean, score: mmi(clean, [score]), self.cells["clean"], corrupted)

    def _at(self, corruptions: Sequence[str], severity: int) -> Estimate:
        if not self._labels(corruptions, (severity,)):
            return NO_CELL
        return estimate(self.mean(corruptions, (severity,)))

    def _means(
        self, corruptions: Sequence[str], severities: Sequence[int]
    ) -> tuple[list[str], list[Replicates]]:
        """The corruptions that have one of the severities, and the mean over these of each, over all rows."""
        labels = {name: self._labels((name,), severities) for name in corruptions}
        names = [name for name, own in labels.items() if own]
        return names, [mean([self._level(label) for label in labels[name]]) for name in names]

    def _labels(self, corruptions: Sequence[str], severities: Sequence[int]) -> list[str]:
        return [f"{c}-{s}" for c in corruptions for s in severities if s in self.board.severities_of(c)]

    def _level(self, label: str) -> Replicates:
        """The score of a cell, brought to all rows unless the board's mean is plain."""
        if self.board.mean == "plain":
            return self.cells[label]
        return brought_to_all_rows(self.cells["clean"], *self.pairs[label])

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
