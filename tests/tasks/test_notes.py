"""What a reader of the numbers is told: odd numbers of answers, answers in sentences, CIDEr on a part of a split."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mafs_bench.adapters.base import Answer
from mafs_bench.metrics.vqa import best_accuracy, contains_right_answer, soft_accuracy
from mafs_bench.tasks import captioning, vqa
from mafs_bench.types import Dataset
from tests.support.numbers import Reader, numbers, view_of


def with_answers(*answers: tuple[str, ...]) -> Dataset:
    made = numbers(len(answers))
    samples = tuple(
        replace(sample, questions=(replace(sample.questions[0], answers=own),))
        for sample, own in zip(made.samples, answers, strict=True)
    )
    return replace(made, samples=samples)


def test_ten_answers_need_no_word() -> None:
    assert vqa.TASK.notes(numbers(3), None) == []


def test_other_than_ten_answers_are_said_with_what_they_allow() -> None:
    (line,) = vqa.TASK.notes(with_answers(("yes",), ("no",), ("2",) * 10), None)
    assert "2 of 3 questions have other than ten answers (1)" in line
    assert "always right scores 0.000 on them" in line
    (line,) = vqa.TASK.notes(with_answers(("yes",), ("no",) * 4), None)
    assert "(1 to 4)" in line
    assert "scores 0.500" in line


def test_the_best_that_can_be_scored() -> None:
    assert [best_accuracy(("yes",) * n) for n in (1, 2, 3, 4, 10)] == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert math.isnan(best_accuracy(()))


def test_answers_are_stripped_before_the_test_for_unanimity() -> None:
    humans = ("yes",) * 9 + (" yes\n",)
    assert soft_accuracy("yes", humans) == 1
    assert soft_accuracy("Yes.", humans) == 0  # unanimous: nothing is normalised
    assert soft_accuracy("Yes.", ("yes",) * 9 + ("no",)) == 1


def test_a_question_without_answers_is_unscored() -> None:
    frame = vqa.score(Reader(), view_of(with_answers((), ("1",) * 10), Reader()))
    assert list(frame["score"].isna()) == [True, False]


@pytest.mark.parametrize(
    ("answer", "humans", "lost"),
    [
        ("Yes.", ("yes",) * 10, True),
        ("It is a red bus", ("red",) * 8 + ("blue",) * 2, True),
        ("yes", ("yes",) * 10, False),
        ("Yes.", ("yes",) * 9 + ("no",), False),
        ("no", ("yes",) * 10, False),
        ("yesterday", ("yes",) * 10, False),
        ("Yes.", ("yes",), False),
    ],
)
def test_what_holds_a_right_answer(answer: str, humans: tuple[str, ...], lost: bool) -> None:
    assert contains_right_answer(answer, humans) is lost


def test_answers_in_sentences_are_remarked_once() -> None:
    class Talker(Reader):
        def answer(
            self, images: Sequence[np.ndarray], questions: Sequence[str], present: np.ndarray
        ) -> list[Answer]:
            return [Answer(f"It is {image[0, 0, 0]}.", 0.5) for image in images]

    data = numbers(6)
    line = vqa.TASK.remark(vqa.score(Talker(), view_of(data, Talker())), data)
    assert line.startswith("6 of 6 answers, such as 'It is 0.', hold a right one and score nothing")
    assert vqa.TASK.remark(vqa.score(Reader(), view_of(data, Reader())), data) == ""


def test_document_frequencies_follow_the_limit() -> None:
    assert captioning.TASK.notes(numbers(3), None) == []
    assert "of these 3 images (--limit 3)" in captioning.TASK.notes(numbers(3), 3)[0]
    assert "undefined for one image" in captioning.TASK.notes(numbers(1), 1)[0]


def test_one_image_has_no_cider() -> None:
    frame = captioning.score(Reader(), view_of(numbers(1), Reader()))
    assert frame["score"].isna().all()
    assert frame["rouge_l"].notna().all()
