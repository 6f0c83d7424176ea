"""Similarity of two submissions: whether one is a copy of the other or derived from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.leaderboard.findings import Finding, error, flag, note, some
from mafs_bench.leaderboard.submission import Submission
from mafs_bench.tasks import get_task

Array = npt.NDArray[np.float64]

COPY = 0.97
"""From this share of equal scores on, an entry is a copy: two fusions of one encoder share at most .91."""

DERIVED = 0.8
"""From this agreement on errors on, entries without a common backbone are flagged: unrelated models reach .7."""

DERIVED_FROM_RELATED, _ONE_SIDED = 0.9, 0.75
"""The same for entries with a common backbone, where nearly all differences are in favour of the newcomer."""

_LEAST_ROWS, _LEAST_DIFFERENCES = 50, 30
"""Rows of possible agreement (or traces), and rows that differ, below which nothing is concluded."""

_EQUAL = 1e-4


@dataclass(frozen=True)
class Likeness:
    """What two submissions share over all conditions.

    agreement: rows that both get wrong, beyond what the two accuracies of each condition would give by chance, as
    a share of the most that they allow (Cohen's phi over its maximum). allowed: that most, in rows. better, worse:
    rows that only the first gets right, or wrong. equal: the share of ``traces`` that are equal.
    """

    agreement: float
    allowed: float
    better: int
    worse: int
    equal: float
    traces: int


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a model, conditions by rows. wrong: int8, 1 or 0, -1 where unscored. trace: float32 or NaN."""

    wrong: npt.NDArray[np.int8]
    trace: npt.NDArray[np.float32]


@lru_cache(maxsize=128)
def fingerprint(submission: Submission, task: str, labels: tuple[str, ...]) -> Fingerprint:
    """Take the fingerprint of a submission under some conditions, which have the same rows."""
    frames = [submission.frames[label] for label in labels]
    bad = np.stack([get_task(task).wrong(frame) for frame in frames])
    return Fingerprint(
        np.where(np.isnan(bad), -1, bad).astype(np.int8),
        np.stack([get_task(task).trace(frame) for frame in frames]).astype(np.float32),
    )


def likeness(own: Submission, other: Submission, task: str, labels: tuple[str, ...]) -> Likeness:
    """Compare the scores of two submissions of one board, row by row."""
    a, b = (fingerprint(one, task, labels) for one in (own, other))
    there = (a.wrong >= 0) & (b.wrong >= 0)
    n, both = there.sum(axis=1), ((a.wrong == 1) & (b.wrong == 1)).sum(axis=1)
    mine, theirs = ((there & (one.wrong == 1)).sum(axis=1) for one in (a, b))
    expected = mine * theirs / np.maximum(n, 1)
    most = float((np.minimum(mine, theirs) - expected).sum())
    traced = ~np.isnan(a.trace) & ~np.isnan(b.trace)
    equal = np.isclose(a.trace[traced], b.trace[traced], rtol=_EQUAL, atol=_EQUAL)
    return Likeness(
        float((both - expected).sum()) / most if most > 0 else 0.0,
        most,
        int((theirs - both).sum()),
        int((mine - both).sum()),
        float(equal.mean()) if len(equal) else 0.0,
        len(equal),
    )


def between(own: Submission, other: Submission) -> list[Finding]:
    """Refuse a submission with the name, model or scores of another one."""
    name = other.name
    findings = []
    if own.name == name:
        findings.append(
            error("card.toml", f"a submission with the name {name} exists; --replace corrects it")
        )
    if (own.spec.model, own.spec.weights) == (other.spec.model, other.spec.weights):
        findings.append(error("spec.json", f"the same model and weights were submitted as {name}"))
    shared = own.frames.keys() & other.frames.keys()
    if shared and all(_same(own.frames[label], other.frames[label]) for label in shared):
        findings.append(error("scores.parquet", f"all scores equal those of {name}, row by row"))
    return findings


def flags_of(
    own: Submission, others: Sequence[Submission], task: str, labels: Sequence[str]
) -> list[Finding]:
    """Flag a copy of an entry, and scores derived from one: one line each, most similar first."""
    found = [
        (likeness(own, other, task, shared), other)
        for other in others
        if (shared := _shared(own, other, labels))
    ]
    copied = [(alike, other) for alike, other in found if alike.equal >= COPY and alike.traces >= _LEAST_ROWS]
    derived = [
        (alike, other)
        for alike, other in found
        if (alike, other) not in copied and _is_derived(alike, bool(_hashes(own) & _hashes(other)))
    ]
    findings = []
    if copied:
        alike, first = max(copied, key=lambda pair: pair[0].equal)
        names = some([first.name, *(other.name for _, other in copied if other is not first)])
        findings.append(
            flag("scores.parquet", f"a copy of {names}: {alike.equal:.1%} of the scores are equal")
        )
    if derived:
        alike, first = max(derived, key=lambda pair: pair[0].agreement)
        names = some([first.name, *(other.name for _, other in derived if other is not first)])
        findings.append(flag("scores.parquet", f"derived from {names}: {_why(first.name, alike)}"))
    return findings


def _shared(own: Submission, other: Submission, labels: Sequence[str]) -> tuple[str, ...]:
    """The conditions in both; none if their rows are not those of the board, which is refused elsewhere."""
    shared = tuple(label for label in labels if label in own.frames and label in other.frames)
    lengths = {len(one.frames[label]) for label in shared for one in (own, other)}
    return shared if len(lengths) == 1 else ()


def relatives(own: Submission, others: Sequence[Submission]) -> list[Finding]:
    """One note with the entries that have the same backbone."""
    names = [other.name for other in others if _hashes(own) & _hashes(other)]
    return [note("card.toml", f"related by its backbone: {some(names)}")] if names else []


def _is_derived(alike: Likeness, related: bool) -> bool:
    differing = alike.better + alike.worse
    if alike.allowed < _LEAST_ROWS:
        return False
    if not related:
        return alike.agreement >= DERIVED
    one_sided = alike.better - alike.worse >= _ONE_SIDED * differing
    return alike.agreement >= DERIVED_FROM_RELATED and differing >= _LEAST_DIFFERENCES and one_sided


def _why(name: str, alike: Likeness) -> str:
    return (
        f"its errors are those of {name} ({alike.agreement:.2f} of the agreement that the accuracies allow, "
        f"{alike.better} rows better, {alike.worse} worse); a model on the same backbone names it in its card"
    )


def _hashes(submission: Submission) -> set[str]:
    return {submission.spec.weights, *([submission.card.backbone] if submission.card.backbone else [])}


def _same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    return np.array_equal(a["score"].to_numpy(), b["score"].to_numpy(), equal_nan=True)
