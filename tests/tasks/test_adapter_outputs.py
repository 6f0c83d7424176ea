"""A model that gives back nothing, or the wrong type, is an error in one line: no sample is left out for it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mafs_bench.adapters.base import Answer, Caption, Embeddings, Fused
from mafs_bench.errors import AdapterError
from mafs_bench.tasks import TASKS
from tests.support.numbers import Reader, numbers, view_of

N = 6


def run(task: str, **methods: Callable[..., Any]) -> pd.DataFrame:
    adapter = type("Odd", (Reader,), {"rerank": 2, **{k: staticmethod(m) for k, m in methods.items()}})()
    return TASKS.get(task).score(adapter, view_of(numbers(N), adapter))


def each(*items: Any) -> Callable[..., list[Any]]:
    """Gives one of ``items`` per input, the last ones repeated."""
    return lambda first, *rest: [items[min(i, len(items) - 1)] for i in range(len(first))]


def array(*values: float, dtype: Any = np.float32) -> Callable[..., Any]:
    return lambda images, texts: np.array(each(*values)(images), dtype=dtype)


GOOD = Answer("1", 0.5)
CASES = [
    ("vqa", "answer", each(GOOD, None), "answer: item 1 (of 6, from 0) is None; allowed: an Answer"),
    ("vqa", "answer", each("yes"), "answer: item 0 (of 6, from 0) is str; allowed: an Answer"),
    ("vqa", "answer", lambda *_: None, "answer: 6 items went in, None came out; allowed: a list of 6"),
    ("vqa", "answer", lambda *_: [GOOD], "answer: 6 items went in, 1 came out"),
    ("vqa", "answer", each(Answer(None, 0.5)), "answer 0 (of 6, from 0) has a text of type None"),  # type: ignore[arg-type]
    (
        "vqa",
        "answer",
        each(GOOD, Answer("1", float("nan"))),
        "answer 1 (of 6, from 0) has the confidence nan",
    ),
    ("vqa", "answer", each(Answer("1", "high")), "has the confidence 'high'; allowed: a number in [0, 1]"),  # type: ignore[arg-type]
    ("vqa", "answer_embedded", each(None), "answer_embedded: item 0 (of 6, from 0) is None"),
    ("captioning", "caption", each("a dog", None), "caption: item 1 (of 6, from 0) is None; allowed: a str"),
    ("captioning", "caption", lambda *_: "a dog", "caption: 6 items went in, str came out"),
    (
        "captioning",
        "caption_embedded",
        each(Caption(None)),
        "caption_embedded: item 0 (of 6, from 0) is None",
    ),  # type: ignore[arg-type]
    ("captioning", "caption_embedded", each("a dog"), "is str; allowed: a Caption"),
    ("matching", "score_pairs", array(0.5, np.nan), "score_pairs: score 1 (of 12, from 0) is nan"),
    ("matching", "score_pairs", lambda *_: None, "score_pairs: scores are None; allowed: a float32 array"),
    ("matching", "score_pairs", array(1, dtype=np.int64), "score_pairs: scores are int64"),
    (
        "matching",
        "match_probabilities",
        array(0.5, 1.5),
        "probability 1 (of 12, from 0) is 1.5; allowed: [0, 1]",
    ),
    ("retrieval", "score_pairs", array(np.inf), "score_pairs: score 0 (of 24, from 0) is inf"),
    (
        "retrieval",
        "score_pairs",
        lambda images, texts: np.zeros((len(images), 1), np.float32),
        "have the shape",
    ),
    ("fused-retrieval", "fuse", lambda *_: None, "fuse: queries are None; allowed: Fused"),
    (
        "fused-retrieval",
        "fuse",
        lambda images, texts: Fused(images.vectors, {"alpha": np.zeros(1)}),
        "diagnostic 'alpha' has the shape (1,); allowed: (12,)",
    ),
    (
        "retrieval",
        "encode_texts",
        lambda texts: Embeddings(np.eye(len(texts), 128, dtype=np.float32), np.ones(1, dtype=bool)),
        "texts: 7 items went in, present has 1 rows",
    ),
]


@pytest.mark.parametrize(("task", "method", "gives", "line"), CASES)
def test_what_is_wrong_is_one_line(task: str, method: str, gives: Callable[..., Any], line: str) -> None:
    with pytest.raises(AdapterError) as raised:
        run(task, **{method: gives})
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_right_passes() -> None:
    numpy_number = Answer("1", np.float32(0.5))  # type: ignore[arg-type]
    assert run("vqa", answer=each(numpy_number))["score"].notna().all()
    assert run("matching", score_pairs=array(0.5, dtype=np.float64))["score"].notna().all()
    assert run("matching", match_probabilities=array(0.5))["confidence"].notna().all()
