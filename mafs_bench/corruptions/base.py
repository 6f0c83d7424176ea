"""What an operator is: drawing kept apart from applying, both pure.

``sample`` draws everything random, from a keyed stream, once a sample: it never sees a severity, so one
draw serves all five. ``apply`` is deterministic, leaves its input untouched and keeps shape and dtype.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Box, Image, Params


def digest_of_files(files: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files, in this order."""
    state = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            state.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()


def no_assets(params: Params) -> Mapping[str, str]:
    """What most operators need beside code: nothing."""
    return {}


def fits_all(size: tuple[int, int]) -> str | None:
    """No image is too large."""
    return None


@dataclass(frozen=True, slots=True)
class ImageOperator:
    """``sample(rng, (height, width), levels)`` and ``apply(image, draws, params)``.

    ``levels`` are the parameters of all five severities, for draws whose size depends on the largest.
    ``ranges`` names every parameter with its least and largest value, whose type it must have; where it is
    empty nothing is checked. ``assets(params)`` gives the SHA-256 of every file of weights that it uses, by name.
    ``refuse((height, width))`` says why an image of that size cannot be corrupted, or None.
    """

    sample: Callable[[np.random.Generator, tuple[int, int], Sequence[Params]], Any]
    apply: Callable[[Image, Any, Params], Image]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    assets: Callable[[Params], Mapping[str, str]] = no_assets
    refuse: Callable[[tuple[int, int]], str | None] = fits_all


@dataclass(frozen=True, slots=True)
class BoxOperator:
    """What needs the boxes of what the captions speak of: ``given(boxes)``, at least one, is an image operator.

    It has the ``ranges`` given here.
    """

    given: Callable[[Sequence[Box]], ImageOperator]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextOperator:
    """``sample(rng, text, levels)`` and ``apply(text, draws, params)``.

    ``rng`` is a light stream of integers; ``rng.generator()`` opens the ``numpy`` generator of its key.
    ``apply`` returns None where the text cannot be changed that way (not applicable). ``assets(params)`` gives the
    SHA-256 of every file of weights that it uses, by name. ``language`` is the ISO 639-1 code of the one language
    that the operator's rules are of; empty: any.
    """

    sample: Callable[[KeyedStream, str, Sequence[Params]], Any]
    apply: Callable[[str, Any, Params], str | None]
    assets: Callable[[Params], Mapping[str, str]] = no_assets
    language: str = ""


@dataclass(frozen=True, slots=True)
class PairItem:
    """One (image, text) input of a task: what a pair operator may look at."""

    id: str
    group: str
    text: str


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What becomes of n pairs; positions refer to the list of items that the plan was made for.

    image_present, text_present: bool (n,), False where that modality is missing.
    image_from, text_from: int64 (n,), whose image and whose text pair i gets (its own: i).
    option_draws: int64 (n,), the draw that decides the order of a question's options; -1: they stay as they are.
    image_blend, text_blend: share of image and of words that comes from ``blend_from`` (int64 (n,)).
    """

    image_present: npt.NDArray[np.bool_]
    text_present: npt.NDArray[np.bool_]
    image_from: npt.NDArray[np.int64]
    text_from: npt.NDArray[np.int64]
    blend_from: npt.NDArray[np.int64]
    option_draws: npt.NDArray[np.int64]
    image_blend: float = 0.0
    text_blend: float = 0.0

    @classmethod
    def identity(cls, n: int) -> PairPlan:
        """Nothing missing, everybody keeps their own."""
        own, there = np.arange(n), np.ones(n, dtype=bool)
        return cls(there, there, own, own, own, np.full(n, -1, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class PairOperator:
    """``plan(items, stream_of, params)``: a plan for all pairs of a task at one severity.

    ``stream_of(item_id)`` opens that item's keyed stream; draws do not depend on the severity, so that the
    set of changed pairs grows with it. ``touches`` names the modality that it changes where it is one alone.
    """

    plan: Callable[[Sequence[PairItem], Callable[[str], KeyedStream], Params], PairPlan]
    touches: Literal["image", "text", "options", ""] = ""


Operator = ImageOperator | BoxOperator | TextOperator | PairOperator
