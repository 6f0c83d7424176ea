"""What a model gives back, checked in one place: a wrong type is an error of the adapter, never a sample left out."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TypeVar

import numpy as np

from mafs_bench.adapters.base import Answer, Caption, ChoiceAsked, Fused
from mafs_bench.adapters.vectors import validated
from mafs_bench.errors import AdapterError
from mafs_bench.types import FloatArray

T = TypeVar("T")


def answers_of(given: object, n: int, name: str) -> list[Answer]:
    """The answers of n pairs. Raises ``AdapterError`` naming the first that is no ``Answer``."""
    answers = _items(given, n, name, Answer, "an Answer")
    for i, answer in enumerate(answers):
        where = f"{name}: answer {i} (of {n}, from 0)"
        if not isinstance(answer.text, str):
            raise AdapterError(f"{where} has a text of type {_type(answer.text)}; allowed: str")
        if answer.confidence is None:
            continue
        if not isinstance(answer.confidence, Real) or not 0 <= float(answer.confidence) <= 1:
            raise AdapterError(
                f"{where} has the confidence {answer.confidence!r}; allowed: a number in [0, 1]"
            )
    return answers


def texts_of(given: object, n: int, name: str) -> list[str]:
    """The captions of n images, as texts. Raises ``AdapterError`` naming the first that is no ``str``."""
    return _items(given, n, name, str, "a str")


def captions_of(given: object, n: int, name: str) -> list[Caption]:
    """The captions of n images. Raises ``AdapterError`` naming the first that is no ``Caption``."""
    captions = _items(given, n, name, Caption, "a Caption")
    texts_of([caption.text for caption in captions], n, name)
    return captions


def scores_of(given: object, n: int, name: str) -> FloatArray:
    """The scores of n pairs, float32 (n,). Raises ``AdapterError`` for another shape or a score that is not finite."""
    if not isinstance(given, np.ndarray) or given.dtype.kind != "f":
        got = given.dtype if isinstance(given, np.ndarray) else _type(given)
        raise AdapterError(f"{name}: scores are {got}; allowed: a float32 array (n,)")
    if given.shape != (n,):
        raise AdapterError(f"{name}: scores of {n} pairs have the shape {given.shape}; allowed: ({n},)")
    bad = np.flatnonzero(~np.isfinite(given))
    if bad.size:
        raise AdapterError(
            f"{name}: score {bad[0]} (of {n}, from 0) is {given[bad[0]]}; allowed: finite numbers"
        )
    return given.astype(np.float32)


def probabilities_of(given: object, n: int, name: str) -> FloatArray:
    """The probabilities of n pairs, float32 (n,) in [0, 1]. Raises ``AdapterError`` as ``scores_of``."""
    scores = scores_of(given, n, name)
    bad = np.flatnonzero((scores < 0) | (scores > 1))
    if bad.size:
        raise AdapterError(
            f"{name}: probability {bad[0]} (of {n}, from 0) is {scores[bad[0]]}; allowed: [0, 1]"
        )
    return scores


def choices_of(given: object, asked: Sequence[ChoiceAsked], name: str) -> list[FloatArray]:
    """The probabilities of the options of n questions. Raises ``AdapterError`` naming the first that are none."""
    rows: list[FloatArray] = _items(
        given, len(asked), name, np.ndarray, "a float32 array with a number per option"
    )
    for i, (row, question) in enumerate(zip(rows, asked, strict=True)):
        found = probabilities_of(row, len(question.options), f"{name}, question {i}")
        if abs(float(found.sum()) - 1) > 1e-3:
            raise AdapterError(
                f"{name}: question {i}: the probabilities add up to {found.sum():.3f}; allowed: 1"
            )
    return rows


def fused_of(given: object, n: int, name: str) -> Fused:
    """The fused queries of n pairs. Raises ``AdapterError`` for what is no ``Fused`` with a value per pair."""
    if not isinstance(given, Fused):
        raise AdapterError(f"{name}: queries are {_type(given)}; allowed: Fused(vectors, diagnostics)")
    validated(given.vectors, n, name)
    for key, values in given.diagnostics.items():
        if np.shape(values) != (n,):
            raise AdapterError(
                f"{name}: diagnostic {key!r} has the shape {np.shape(values)}; allowed: ({n},)"
            )
    return given


def _items(given: object, n: int, name: str, kind: type[T], allowed: str) -> list[T]:
    """n items of one type."""
    if isinstance(given, (str, bytes)) or not isinstance(given, (Sequence, np.ndarray)):
        raise AdapterError(f"{name}: {n} items went in, {_type(given)} came out; allowed: a list of {n}")
    if len(given) != n:
        raise AdapterError(f"{name}: {n} items went in, {len(given)} came out")
    items: list[T] = []
    for i, item in enumerate(given):
        if not isinstance(item, kind):
            raise AdapterError(f"{name}: item {i} (of {n}, from 0) is {_type(item)}; allowed: {allowed}")
        items.append(item)
    return items


def _type(value: object) -> str:
    return "None" if value is None else type(value).__name__
