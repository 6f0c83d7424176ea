"""Apply a suite's corruptions to images, texts and pairs: the one place where operators meet keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mafs_bench.corruptions import OPERATORS, legacy
from mafs_bench.corruptions.base import (
    BoxOperator,
    ImageOperator,
    PairItem,
    PairOperator,
    PairPlan,
    TextOperator,
    fits_all,
)
from mafs_bench.errors import DataError, SuiteError, UnknownNameError, UsageError
from mafs_bench.language import speaks
from mafs_bench.memory import naming_memory
from mafs_bench.seeding import KeyedStream, stream
from mafs_bench.types import Box, Corruption, Image

ENGINES = ("native", "reference")
MIN_SIDE = 32
"""Pixels a side that an image must have to be corrupted, as in the reference."""

# glibc hands freed blocks back to the system up to a size that grows to the largest block freed so far (at most
# 32 MiB). Freeing a large one, never touched, lets the arrays of all later images reuse memory: page faults are
# half of the cost of a 480 x 640 image otherwise.
np.empty(31 << 20, dtype=np.uint8)


def corrupt_image(
    image: Image,
    corruption: Corruption,
    severities: Sequence[int],
    *,
    seed: int,
    sample_id: str,
    engine: str = "native",
    boxes: Sequence[Box] = (),
) -> list[Image]:
    """Corrupt one image at each of ``severities`` (0: untouched) from one draw.

    ``engine`` is ``native`` or ``reference`` (the library ``imagecorruptions``, for the 19 of ImageNet-C).
    ``boxes`` stand around what the captions speak of. Raises ``DataError`` for what is no RGB image of at least
    ``MIN_SIDE`` pixels per side, lacks required boxes (check ``applies`` first) or needs more memory than there is,
    ``SuiteError`` for parameters out of range, and ``UsageError``.
    """
    operator = OPERATORS.get(corruption.operator)
    if isinstance(operator, BoxOperator):
        operator = operator.given(_require_boxes(boxes, corruption, sample_id))
    if not isinstance(operator, ImageOperator):
        raise UsageError(f"{corruption.name}: operator {corruption.operator!r} does not take images")
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    require_levels(corruption)
    require_image(image, sample_id)
    refused = refuse_size(corruption, (image.shape[0], image.shape[1]))
    if refused is not None:
        raise DataError(f"{sample_id}: {refused}")
    with naming_memory(f"{sample_id}: {corruption.name} of {image.shape[1]}x{image.shape[0]} pixels"):
        if engine == "reference":
            return [
                image
                if severity == 0
                else legacy.corrupt(image, corruption, severity, _rng(seed, corruption, sample_id))
                for severity in severities
            ]
        draws = operator.sample(
            _rng(seed, corruption, sample_id), (image.shape[0], image.shape[1]), corruption.levels
        )
        return [
            image if severity == 0 else operator.apply(image, draws, corruption.levels[severity - 1])
            for severity in severities
        ]


def needs_boxes(corruption: Corruption) -> bool:
    """Whether it is an image corruption that looks at boxes."""
    return corruption.modality == "image" and isinstance(OPERATORS.get(corruption.operator), BoxOperator)


def limits_size(corruption: Corruption) -> bool:
    """Whether there are images that are too large for it."""
    operator = OPERATORS.get(corruption.operator)
    return isinstance(operator, ImageOperator) and operator.refuse is not fits_all


def refuse_size(corruption: Corruption, size: tuple[int, int]) -> str | None:
    """Why an image of that height and width is too large for a corruption, or None."""
    operator = OPERATORS.get(corruption.operator)
    return operator.refuse(size) if isinstance(operator, ImageOperator) else None


def applies(corruption: Corruption, boxes: Sequence[Box]) -> bool:
    """Whether an image with these boxes can be corrupted; where not, it stays clean and is *not applicable*."""
    return bool(boxes) or not needs_boxes(corruption)


def corrupt_where_applicable(
    image: Image,
    corruption: Corruption | None,
    severities: Sequence[int],
    *,
    seed: int,
    sample_id: str,
    engine: str = "native",
    boxes: Sequence[Box] = (),
) -> list[Image]:
    """``corrupt_image``, or the image itself at every severity where there is no corruption or it does not apply."""
    if corruption is None or not applies(corruption, boxes):
        return [image] * len(severities)
    return corrupt_image(
        image, corruption, severities, seed=seed, sample_id=sample_id, engine=engine, boxes=boxes
    )


def require_levels(corruption: Corruption) -> None:
    """Check a suite's parameters against what the operator declares.

    Raises ``SuiteError`` naming suite, key, value and the allowed range; does nothing for an operator that
    declares no ranges.
    """
    ranges = getattr(OPERATORS.get(corruption.operator), "ranges", None)
    if not ranges:
        return
    where = f"{corruption.suite}: corruptions.{corruption.name}.levels"
    for params in corruption.levels:
        for key in params.keys() - ranges.keys():
            raise SuiteError(f"{where}: {UnknownNameError('parameter', key, ranges)}")
        for key, (low, high) in ranges.items():
            if key not in params:
                raise SuiteError(f"{where}.{key} is missing; allowed: {_described(low, high)}")
            if not _fits(params[key], low, high):
                raise SuiteError(f"{where}.{key} = {params[key]!r}; allowed: {_described(low, high)}")


def _fits(value: object, low: float, high: float) -> bool:
    """Whether a value has the type of the bounds and is between them; an integer is accepted as a float."""
    kinds = (int, float) if isinstance(low, float) else (type(low),)
    return type(value) in kinds and low <= value <= high  # type: ignore[operator]


def _described(low: float, high: float) -> str:
    if isinstance(low, bool):
        return "true or false"
    return f"{'numbers' if isinstance(low, float) else 'whole numbers'} from {low} to {high}"


def _rng(seed: int, corruption: Corruption, sample_id: str) -> np.random.Generator:
    return stream(seed, corruption.suite, corruption.name, sample_id)


def require_image(image: Image, sample_id: str) -> None:
    """Raise ``DataError`` unless this is an RGB image of at least ``MIN_SIDE`` pixels per side."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {image.shape}"
        raise DataError(f"{sample_id}: {found} is not an image; allowed: uint8 (height, width, 3)")
    if min(image.shape[:2]) < MIN_SIDE:
        found = f"{image.shape[1]}x{image.shape[0]}"
        raise DataError(
            f"{sample_id}: {found} is too small to corrupt; allowed: {MIN_SIDE} pixels per side or more"
        )


def _require_boxes(boxes: Sequence[Box], corruption: Corruption, sample_id: str) -> Sequence[Box]:
    if not boxes:
        raise DataError(
            f"{sample_id}: no boxes, which {corruption.name} needs; allowed: data with boxes around what the "
            "captions speak of, such as scenes, or coco with its instance annotations"
        )
    return boxes


def corrupt_text(
    text: str,
    corruption: Corruption,
    severities: Sequence[int],
    *,
    seed: int,
    sample_id: str,
    language: str = "",
) -> list[str | None]:
    """Corrupt one text at each of ``severities`` from one draw; None where not applicable.

    language: of the data set's texts, as an ISO 639-1 code; where it is empty, another language is recognised by this
    text alone. An operator of another language's rules is not applicable.
    """
    operator = OPERATORS.get(corruption.operator)
    if not isinstance(operator, TextOperator):
        raise UsageError(f"{corruption.name}: operator {corruption.operator!r} does not take texts")
    if operator.language and not speaks(text, operator.language, language):
        return [text if severity == 0 else None for severity in severities]
    rng = KeyedStream(seed, corruption.suite, corruption.name, sample_id)
    draws = operator.sample(rng, text, corruption.levels)
    return [
        text if severity == 0 else operator.apply(text, draws, corruption.levels[severity - 1])
        for severity in severities
    ]


def plan_pairs(items: Sequence[PairItem], corruption: Corruption, severity: int, *, seed: int) -> PairPlan:
    """Decide which of the pairs lose a modality or get another pair's, at one severity."""
    if severity == 0:
        return PairPlan.identity(len(items))
    operator = OPERATORS.get(corruption.operator)
    if not isinstance(operator, PairOperator):
        raise UsageError(f"{corruption.name}: operator {corruption.operator!r} does not take pairs")
    return operator.plan(
        items,
        lambda item_id: KeyedStream(seed, corruption.suite, corruption.name, item_id),
        corruption.levels[severity - 1],
    )
