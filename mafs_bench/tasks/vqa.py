"""Visual question answering: image and question in, one short answer out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mafs_bench.adapters.base import Adapter, Answer
from mafs_bench.adapters.outputs import answers_of
from mafs_bench.metrics.vqa import (
    VQA_METRICS,
    best_accuracy,
    contains_right_answer,
    normalize_answer,
    soft_accuracy,
)
from mafs_bench.tasks.base import Pair, PairInputs, Task, View, ask, flags, score_of
from mafs_bench.tasks.columns import CONFIDENCE, KEYS, SHARE, ScoreColumn
from mafs_bench.types import Dataset, Question

TEN = 10
"""Answers per question in VQAv2, on which the official rule counts."""


def score(adapter: Adapter, view: View) -> pd.DataFrame:
    """One row per question: id, group, score = VQAv2 soft accuracy, confidence, answer, answer_type.

    Questions that the corruption cannot change are unscored.
    The adapter's diagnostics stand beside the score.
    """
    asked = questions_of(view.dataset)
    pairs = [Pair(question.id, sample, question.text) for sample, question in asked]
    adapter.prepare_answers(view.dataset.answer_vocabulary)
    embedded = adapter.supports("answer_embedded")
    answers = _answer_embedded(adapter, view, pairs) if embedded else _answer_raw(adapter, view, pairs)
    groups = [view.dataset.samples[sample].group for sample, _ in asked]
    rows = [
        _row(question, group, answer)
        for (_, question), group, answer in zip(asked, groups, answers, strict=True)
    ]
    return pd.DataFrame(rows)


def _answer_embedded(adapter: Adapter, view: View, pairs: Sequence[Pair]) -> list[Answer | None]:
    """Answers from embeddings: each image is encoded once for all of its questions."""
    inputs = view.pair_embeddings(pairs)
    given = adapter.answer_embedded(inputs.images, inputs.texts, inputs.words)
    given = answers_of(given, len(pairs), "answer_embedded")
    return [answer if asked else None for answer, asked in zip(given, inputs.applicable, strict=True)]


def _answer_raw(adapter: Adapter, view: View, pairs: Sequence[Pair]) -> list[Answer | None]:
    """Answers of a model that reads image and question together."""

    def answer(inputs: PairInputs) -> list[Answer]:
        given = adapter.answer(inputs.images, inputs.texts, inputs.present)
        return answers_of(given, len(inputs.texts), "answer")

    return ask(view, pairs, answer, adapter.batches_at_once)


def questions_of(dataset: Dataset) -> list[tuple[int, Question]]:
    """Every question with the position of its image."""
    return [
        (position, question)
        for position, sample in enumerate(dataset.samples)
        for question in sample.questions
    ]


def _row(question: Question, group: str, answer: Answer | None) -> dict[str, Any]:
    row = {"id": question.id, "group": group, "answer_type": question.answer_type}
    if answer is None:
        return {**row, "score": np.nan, "confidence": np.nan, "answer": None}
    return {
        **row,
        "score": soft_accuracy(answer.text, question.answers),
        "confidence": np.nan if answer.confidence is None else answer.confidence,
        "answer": answer.text,
        **answer.diagnostics,
    }


def notes(dataset: Dataset, limit: int | None) -> list[str]:
    """That questions have other than ten answers, and what the official rule then allows."""
    counts = [len(question.answers) for _, question in questions_of(dataset)]
    odd = [question for _, question in questions_of(dataset) if len(question.answers) != TEN]
    if not odd:
        return []
    found = sorted({len(question.answers) for question in odd})
    span = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    best = float(np.mean([best_accuracy(question.answers) for question in odd]))
    return [
        f"vqa: {len(odd)} of {len(counts)} questions have other than ten answers ({span}); by the official rule a "
        f"model that is always right scores {best:.3f} on them"
    ]


def remark(frame: pd.DataFrame, dataset: Dataset) -> str:
    """That right answers are lost because they are not given alone."""
    humans = {question.id: question.answers for _, question in questions_of(dataset)}
    given = frame.loc[frame["answer"].notna(), ["id", "answer"]].itertuples(index=False)
    lost = [answer for own, answer in given if contains_right_answer(answer, humans[own])]
    if not lost:
        return ""
    return (
        f"{len(lost)} of {len(frame)} answers, such as {lost[0][:40]!r}, hold a right one and score nothing: the "
        "official rule compares whole answers, and those to unanimous questions letter by letter"
    )


TASK = Task(
    name="vqa",
    primary="accuracy",
    needs=(frozenset({"answer"}), frozenset({"answer_embedded"})),
    requires="questions",
    joint_input=True,
    score=score,
    notes=notes,
    remark=remark,
    metrics=VQA_METRICS,
    columns=(*KEYS, ScoreColumn("answer_type", fixed=True, nullable=False), SHARE, CONFIDENCE),
    inputs=lambda dataset: [Pair(q.id, position, q.text) for position, q in questions_of(dataset)],
    wrong=lambda frame: flags(score_of(frame), score_of(frame) < 0.5),
    trace=lambda frame: frame["confidence"].to_numpy(dtype=np.float64),
    answers=lambda frame: [normalize_answer(str(answer)) for answer in frame["answer"]],
    alone=True,
)
