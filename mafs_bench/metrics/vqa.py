"""VQAv2's soft accuracy with the answer normalisation of its official evaluation, quirks included.

Source: Antol et al., ICCV 2015; Goyal et al., CVPR 2017; the evaluation code of the VQA challenge defines the
details. Columns: ``score`` (soft accuracy), ``confidence``, ``answer``, ``answer_type``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from mafs_bench.metrics.calibration import aurc, ece
from mafs_bench.metrics.columns import Array, Columns, mean_of, ratio
from mafs_bench.types import Metric

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = {"a", "an", "the"}

_CONTRACTED = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've "
    "we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's "
    "who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've "
    "you'll you're you've"
)


def _without_one_apostrophe(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i, character in enumerate(word) if character == "'"]


_CONTRACTIONS = {short: word for word in _CONTRACTED.split() for short in _without_one_apostrophe(word)}
_CONTRACTIONS["somebody'd"] = "somebodyd"  # in the official table, the only entry that removes an apostrophe

_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"(?!<=\d)(\.)(?!\d)")
"""The official pattern, literally: ``(?!<=`` was meant as a look-behind and always matches."""
_MOST_PERIODS = 32
"""The official code passes ``re.UNICODE`` (32) as the number of replacements."""


def strip_punctuation(text: str) -> str:
    """Remove or blank punctuation, and drop periods that are not followed by a digit.

    A mark is removed if it touches a blank anywhere in the text, or if the text contains a number with a comma;
    otherwise it becomes a blank.
    """
    number = _COMMA_IN_NUMBER.search(text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        touches = mark + " " in text or " " + mark in text
        stripped = stripped.replace(mark, "" if touches or number else " ")
    return _PERIOD.sub("", stripped, count=_MOST_PERIODS)


def unify_words(text: str) -> str:
    """Lower-case, write numbers up to ten as digits, drop articles, restore apostrophes."""
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


@lru_cache(maxsize=1 << 16)
def normalize_answer(text: str) -> str:
    """Punctuation first, then digits, articles and contractions."""
    return unify_words(strip_punctuation(text))


def soft_accuracy(answer: str, human_answers: Sequence[str]) -> float:
    """Leave-one-out mean over the human answers of min(1, agreeing others / 3), in [0, 1]; NaN without answers.

    As in the official code, nothing is normalised if all human answers are equal: then "Yes" does not match "yes".

    >>> soft_accuracy("2", ["two"] * 2 + ["three"] * 8)
    0.6
    """
    given = _one_line(answer)
    humans = [_one_line(human) for human in human_answers]
    if not humans:
        return math.nan
    if len(set(humans)) > 1:
        given, humans = normalize_answer(given), [normalize_answer(human) for human in humans]
    agreeing, n = humans.count(given), len(humans)
    left_in, left_out = min(1.0, agreeing / 3), min(1.0, (agreeing - 1) / 3)
    return ((n - agreeing) * left_in + agreeing * left_out) / n


def best_accuracy(human_answers: Sequence[str]) -> float:
    """The highest possible score: 1 if four of ten answers agree, 0 for a single answer.

    >>> best_accuracy(["red"] * 4 + ["blue"] * 6)
    1.0
    """
    return max((soft_accuracy(human, human_answers) for human in set(human_answers)), default=math.nan)


def contains_right_answer(answer: str, human_answers: Sequence[str]) -> bool:
    """Whether an answer scores 0 but contains a human answer that scores, as in "it is red" for "red"."""
    if soft_accuracy(answer, human_answers) > 0:
        return False
    words = f" {normalize_answer(_one_line(answer))} "
    return any(
        f" {normalize_answer(_one_line(human))} " in words and soft_accuracy(human, human_answers) > 0
        for human in set(human_answers)
    )


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _accuracy_of_type(answer_type: str) -> Columns:
    read = mean_of("score")

    def columns(frame: pd.DataFrame) -> Array:
        chosen = (frame["answer_type"] == answer_type).to_numpy()
        return np.where(chosen[:, None], read(frame), 0.0)

    return columns


def _confidence(frame: pd.DataFrame) -> Array:
    return frame["confidence"].to_numpy(dtype=np.float64)


def _accuracy(frame: pd.DataFrame) -> Array:
    return frame["score"].to_numpy(dtype=np.float64)


def _loss(frame: pd.DataFrame) -> Array:
    return 1 - _accuracy(frame)


_SOURCE = "Goyal et al., arXiv 1612.00837"
VQA_METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "vqa", 0.0, 1.0, True, _SOURCE, mean_of("score"), ratio, interval="proportion"),
    *(
        Metric(
            f"accuracy_{name}",
            "vqa",
            0.0,
            1.0,
            True,
            _SOURCE,
            _accuracy_of_type(answer_type),
            ratio,
            interval="proportion",
        )
        for name, answer_type in (("yes_no", "yes/no"), ("number", "number"), ("other", "other"))
    ),
    ece("vqa", _confidence, _accuracy),
    aurc("vqa", _confidence, _loss),
)
