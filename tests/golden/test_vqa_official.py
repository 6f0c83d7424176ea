"""VQA accuracy against stored outputs of the official evaluation (GT-Vision-Lab/VQA)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mafs_bench.metrics.vqa import (
    VQA_METRICS,
    normalize_answer,
    soft_accuracy,
    strip_punctuation,
    unify_words,
)

GOLDEN = json.loads((Path(__file__).parent / "vqa_official.json").read_text(encoding="utf-8"))
GIVEN = {result["question_id"]: result["answer"] for result in GOLDEN["results"]}


@pytest.mark.parametrize("case", GOLDEN["normalisation"], ids=lambda case: repr(case["text"])[:30])
def test_normalisation(case: dict[str, str]) -> None:
    assert strip_punctuation(case["text"]) == case["punctuation"]
    assert unify_words(case["text"]) == case["digit_article"]
    assert normalize_answer(case["text"]) == case["both"]


def scores() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "id": str(question["question_id"]),
                "group": str(question["question_id"]),
                "score": soft_accuracy(
                    GIVEN[question["question_id"]], [answer["answer"] for answer in question["answers"]]
                ),
                "confidence": 0.5,
                "answer_type": question["answer_type"],
                "question_type": question["question_type"],
            }
            for question in GOLDEN["annotations"]
        ]
    )


def test_every_question() -> None:
    frame = scores()
    expected = [GOLDEN["evalQA"][key] for key in frame["id"]]
    np.testing.assert_allclose(100 * frame["score"], expected, atol=1e-9)


def test_aggregates() -> None:
    frame = scores()
    found = {metric.name: metric.value(metric.columns(frame).sum(0)) for metric in VQA_METRICS[:4]}
    by_type = GOLDEN["accuracy"]["perAnswerType"]
    expected = {
        "accuracy": GOLDEN["accuracy"]["overall"],
        "accuracy_yes_no": by_type["yes/no"],
        "accuracy_number": by_type["number"],
        "accuracy_other": by_type["other"],
    }
    assert {name: round(100 * float(value), 2) for name, value in found.items()} == expected
    by_question = 100 * frame.groupby("question_type")["score"].mean()
    assert by_question.round(2).to_dict() == GOLDEN["accuracy"]["perQuestionType"]
