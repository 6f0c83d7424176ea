"""Multiple choice: image, question and options in, one option out.

``multiple-choice`` asks each question once. ``multiple-choice-circular`` asks it with the options in every rotation;
it is right if all of them are (MMBench; Liu et al., ECCV 2024), and it is run if asked for by name. Corruptions of
texts change the question, never options or letters; ``option_shuffle`` changes the order of the options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.adapters.base import Adapter, ChoiceAsked
from mafs_bench.adapters.outputs import choices_of
from mafs_bench.metrics.choice import CHOICE_METRICS, CIRCULAR_METRICS
from mafs_bench.tasks.base import Pair, PairInputs, Task, View, ask, flags, score_of
from mafs_bench.tasks.columns import CONFIDENCE, KEYS, SHARE, ScoreColumn
from mafs_bench.types import Choice, Dataset, FloatArray

Order = Sequence[int]
"""Positions of a question's own options, in the order in which they are shown."""


def choices_asked(dataset: Dataset) -> list[tuple[int, Choice]]:
    """Every multiple-choice question with the position of its image."""
    return [(i, choice) for i, sample in enumerate(dataset.samples) for choice in sample.choices]


def inputs(dataset: Dataset) -> list[Pair]:
    """Every image with its question."""
    return [Pair(choice.id, position, choice.text) for position, choice in choices_asked(dataset)]


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """A row per question: id, group, score (1: right), confidence, chosen, category, n_options."""
    return _score(adapter, view, circular=False)


def score_circular(adapter: Adapter, view: View) -> pd.DataFrame:
    """As ``score``, asked in every rotation: score is 1 if all are right; once: 1 if the first is."""
    return _score(adapter, view, circular=True)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """right: one per rotation; chosen, confidence: of the first."""

    right: Sequence[bool]
    chosen: int
    confidence: float


def _score(adapter: Adapter, view: View, *, circular: bool) -> pd.DataFrame:
    asked = [choice for _, choice in choices_asked(view.dataset)]

    def put(given: PairInputs) -> list[_Outcome]:
        shown = [
            _orders(asked[row], int(draw), circular)
            for row, draw in zip(given.rows, given.orders, strict=True)
        ]
        answers = [_choose(adapter, given, asked, shown, turn) for turn in range(max(map(len, shown)))]
        return [
            _outcome(asked[row], shown[i], [one.get(i) for one in answers])
            for i, row in enumerate(given.rows)
        ]

    outcomes = ask(view, inputs(view.dataset), put)
    groups = [view.dataset.samples[position].group for position, _ in choices_asked(view.dataset)]
    rows = [
        _row(choice, group, outcome, circular)
        for choice, group, outcome in zip(asked, groups, outcomes, strict=True)
    ]
    return pd.DataFrame(rows)


def _orders(choice: Choice, draw: int, circular: bool) -> list[Order]:
    """The orders in which the options are shown: as drawn, and its rotations."""
    first = permuted(len(choice.options), draw)
    return [[*first[k:], *first[:k]] for k in range(len(first) if circular else 1)]


def permuted(n: int, draw: int) -> list[int]:
    """The positions 0 to n - 1 in an order decided by ``draw``, never their own; in their own if it is negative."""
    if draw < 0:
        return list(range(n))
    left, order, total = list(range(n)), list[int](), 1
    for k in range(2, n + 1):
        total *= k
    number = 1 + draw % (total - 1)
    for k in range(n, 0, -1):
        total //= k
        order.append(left.pop(number // total))
        number %= total
    return order


def _choose(
    adapter: Adapter,
    given: PairInputs,
    asked: Sequence[Choice],
    shown: Sequence[Sequence[Order]],
    turn: int,
) -> dict[int, FloatArray]:
    """Probabilities of the options as shown in one rotation, by place in the batch, for questions that have it."""
    places = [i for i, orders in enumerate(shown) if turn < len(orders)]
    questions = [
        ChoiceAsked(
            given.texts[i],
            tuple(asked[given.rows[i]].options[o] for o in shown[i][turn]),
            asked[given.rows[i]].hint,
        )
        for i in places
    ]
    said = adapter.choose([given.images[i] for i in places], questions, given.present[places])
    return dict(zip(places, choices_of(said, questions, "choose"), strict=True))


def _outcome(choice: Choice, orders: Sequence[Order], said: Sequence[FloatArray | None]) -> _Outcome:
    chosen = [
        order[int(np.argmax(shares))]
        for order, shares in zip(orders, said, strict=False)
        if shares is not None
    ]
    assert said[0] is not None
    return _Outcome([one == choice.answer for one in chosen], chosen[0], float(said[0].max()))


def _row(choice: Choice, group: str, outcome: _Outcome | None, circular: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "id": choice.id,
        "group": group,
        "category": choice.category,
        "n_options": len(choice.options),
    }
    if outcome is None:
        empty = {"score": np.nan, "confidence": np.nan, "chosen": np.nan}
        return row | empty | ({"once": np.nan} if circular else {})
    right = all(outcome.right) if circular else outcome.right[0]
    found: dict[str, object] = {
        "score": float(right),
        "confidence": outcome.confidence,
        "chosen": float(outcome.chosen),
    }
    return row | found | ({"once": float(outcome.right[0])} if circular else {})


def remark(frame: pd.DataFrame, dataset: Dataset) -> str:
    """The score by category, where there are several."""
    scored = frame[frame["score"].notna() & (frame["category"] != "")]
    if scored["category"].nunique() < 2:
        return ""
    parts = [
        f"{name} {own['score'].mean():.3f} (n {len(own)})"
        for name, own in scored.groupby("category", sort=True)
    ]
    return "by category: " + ", ".join(parts)


def notes(dataset: Dataset, limit: int | None) -> list[str]:
    """The accuracy of guessing."""
    sizes = np.array([len(choice.options) for _, choice in choices_asked(dataset)])
    return (
        [f"multiple-choice: guessing is right in {np.mean(1 / sizes):.3f} of the questions"]
        if len(sizes)
        else []
    )


def _wrong(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    return flags(score_of(frame), score_of(frame) < 0.5)


_COLUMNS = (
    *KEYS,
    ScoreColumn("category", fixed=True, nullable=False),
    ScoreColumn("n_options", (2, 26), whole=True, fixed=True, nullable=False),
    SHARE,
    CONFIDENCE,
)

TASK = Task(
    name="multiple-choice",
    primary="accuracy",
    needs=(frozenset({"choose"}),),
    requires="choices",
    joint_input=True,
    reads=frozenset({"image", "text", "options"}),
    score=score,
    notes=notes,
    remark=remark,
    metrics=CHOICE_METRICS,
    columns=_COLUMNS,
    inputs=inputs,
    wrong=_wrong,
    trace=lambda frame: frame["confidence"].to_numpy(dtype=np.float64),
    answers=lambda frame: [str(chosen) for chosen in frame["chosen"]],
    alone=True,
)

CIRCULAR_TASK = replace(
    TASK,
    name="multiple-choice-circular",
    primary="circular_accuracy",
    on_request=True,
    score=score_circular,
    metrics=CIRCULAR_METRICS,
    columns=(*_COLUMNS, ScoreColumn("once", (0, 1))),
)
