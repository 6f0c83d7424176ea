"""Apply a suite's corruptions to images, texts and pairs: the one place where operators meet keys."""

from __future__ import annotations

from collections.abc import Sequence

from mafs_bench.errors import UsageError
from mafs_bench.operators import OPERATORS
from mafs_bench.operators.base import ImageOperator, PairItem, PairOperator, PairPlan, TextOperator
from mafs_bench.seeding import KeyedStream, stream
from mafs_bench.types import Corruption, Image


def corrupt_image(
    image: Image, corruption: Corruption, severities: Sequence[int], *, seed: int, sample_id: str
) -> list[Image]:
    """Corrupt one image at each of ``severities`` (0: untouched) from one draw."""
    operator = OPERATORS.get(corruption.operator)
    if not isinstance(operator, ImageOperator):
        raise UsageError(f"{corruption.name}: operator {corruption.operator!r} does not take images")
    rng = stream(seed, corruption.suite, corruption.name, sample_id)
    draws = operator.sample(rng, (image.shape[0], image.shape[1]), corruption.levels)
    return [
        image if severity == 0 else operator.apply(image, draws, corruption.levels[severity - 1])
        for severity in severities
    ]


def corrupt_text(
    text: str, corruption: Corruption, severities: Sequence[int], *, seed: int, sample_id: str
) -> list[str | None]:
    """Corrupt one text at each of ``severities`` from one draw; None where not applicable."""
    operator = OPERATORS.get(corruption.operator)
    if not isinstance(operator, TextOperator):
        raise UsageError(f"{corruption.name}: operator {corruption.operator!r} does not take texts")
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
