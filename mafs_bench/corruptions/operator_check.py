"""Does an operator keep the contract? The checks that a new operator must pass, registered or a user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import (
    BoxOperator,
    ImageOperator,
    Operator,
    PairItem,
    PairOperator,
    TextOperator,
)
from mafs_bench.errors import MafsBenchError, UnknownNameError, UsageError
from mafs_bench.seeding import KeyedStream, stream
from mafs_bench.types import SEVERITIES, Image, Params

DEFAULT_LEVELS: tuple[Params, ...] = tuple({"severity": severity} for severity in SEVERITIES)
"""What an operator gets as parameters where no suite says otherwise."""

_SIZES = ((32, 32), (33, 47), (97, 64), (224, 224))
_BOXES = ((4, 6, 20, 30), (-3, 10, 33, 400))
"""One inside of every image, one that reaches beyond it."""
_TEXTS = (
    "A brown dog runs over the wet grass.", "Two men, one umbrella: 3 photos at http://example.org!", "dog",
    "Ein Fuß, ein naïves café und 10,5 % 🐕‍🦺.", "كلب يجري على العشب", "word " * 300,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule, whether it holds, and what was seen where it does not."""

    rule: str
    holds: bool
    seen: str = ""


def check_operator(reference: str, levels: Sequence[Params] = DEFAULT_LEVELS) -> list[RuleResult]:
    """Check a registered operator, or ``file.py:attribute``, with the five parameter sets ``levels``.

    Raises ``UnknownNameError``, ``AdapterError`` where it cannot be loaded, ``UsageError`` where it is none.
    """
    operator = OPERATORS.get(reference)
    if isinstance(operator, BoxOperator):
        operator = operator.given(_BOXES)
    for kind, checks in _CHECKS.items():
        if isinstance(operator, kind):
            return [_run(rule, check, operator, levels) for rule, check in checks.items()]
    raise UsageError(
        f"{reference} is of type {type(operator).__name__}; "
        "allowed: an ImageOperator, BoxOperator, TextOperator or PairOperator"
    )


def find_levels(operator: str, suite: str) -> Sequence[Params]:
    """Return the parameters of the first block of ``suite`` that uses ``operator``. Raises ``UnknownNameError``."""
    loaded = suites.load(suite)
    for corruption in loaded.corruptions.values():
        if corruption.operator == operator:
            return corruption.levels
    raise UnknownNameError(
        f"operator of {loaded.id}", operator, {c.operator for c in loaded.corruptions.values()}
    )


def _run(rule: str, check: _Check, operator: Any, levels: Sequence[Params]) -> RuleResult:
    try:
        problem = next(check(operator, levels), None)
    except MafsBenchError as error:
        problem = str(error)
    except Exception as error:  # a user's code may raise anything: that is a finding, not a crash
        problem = f"{type(error).__name__}: {error}"
    return RuleResult(rule, problem is None, problem or "")


def example_image(height: int, width: int) -> Image:
    """Draw gradients, flat, black and white areas, edges and texture."""
    y, x = np.mgrid[0:height, 0:width]
    waves = 127 + 127 * np.sin(x / 5 + y * y / 300)
    image = np.stack([255 * x / width, 255 * y / height, waves], axis=2).astype(np.uint8)
    image[: height // 4, : width // 4] = 255
    image[-(height // 4) :, : width // 4] = 0
    image[height // 3 : height // 2, width // 2 :] = (200, 30, 30)
    image[-(height // 3) :, -(width // 3) :] = ((x * 7919 + y * 104729) % 251).astype(np.uint8)[
        -(height // 3) :, -(width // 3) :, None
    ]
    return image


def _cells(operator: ImageOperator, levels: Sequence[Params], image: Image) -> list[Image]:
    rng = stream(0, "check", "check", f"{image.shape}")
    draws = operator.sample(rng, (image.shape[0], image.shape[1]), levels)
    return [operator.apply(image, draws, params) for params in levels]


def _keeps_shape(operator: ImageOperator, levels: Sequence[Params]) -> Iterator[str]:
    for size in _SIZES:
        for severity, out in enumerate(_cells(operator, levels, example_image(*size)), start=1):
            if not isinstance(out, np.ndarray) or out.shape != (*size, 3) or out.dtype != np.uint8:
                found = f"{getattr(out, 'dtype', type(out).__name__)} {getattr(out, 'shape', '')}"
                yield f"severity {severity} of uint8 {(*size, 3)} gives {found}"


def _leaves_input(operator: ImageOperator, levels: Sequence[Params]) -> Iterator[str]:
    image = example_image(64, 80)
    before = image.copy()
    for severity, out in enumerate(_cells(operator, levels, image), start=1):
        if not np.array_equal(image, before):
            yield f"severity {severity} writes into its input"
        if np.shares_memory(out, image):
            yield f"severity {severity} returns memory of its input"


def _leaves_draws(operator: ImageOperator, levels: Sequence[Params]) -> Iterator[str]:
    image = example_image(64, 80)
    draws = operator.sample(stream(0, "check", "check", "draws"), (64, 80), levels)
    upwards = [operator.apply(image, draws, params) for params in levels]
    downwards = [operator.apply(image, draws, params) for params in reversed(levels)][::-1]
    for severity, (first, second) in enumerate(zip(upwards, downwards, strict=True), start=1):
        if not np.array_equal(first, second):
            yield f"severity {severity} depends on what was applied before"


def _same_key_same_bytes(operator: ImageOperator, levels: Sequence[Params]) -> Iterator[str]:
    image = example_image(64, 80)
    first = _cells(operator, levels, image)
    _cells(operator, levels, example_image(33, 47))
    if any(not np.array_equal(a, b) for a, b in zip(first, _cells(operator, levels, image), strict=True)):
        yield "two runs with the same key differ: only the generator passed in may be drawn from"


def _changes(operator: ImageOperator, levels: Sequence[Params]) -> Iterator[str]:
    image = example_image(224, 224)
    for severity, out in enumerate(_cells(operator, levels, image), start=1):
        if np.array_equal(out, image):
            yield f"severity {severity} changes nothing"


def _flat_images(operator: ImageOperator, levels: Sequence[Params]) -> Iterator[str]:
    for level in (0, 127, 255):
        flat = np.full((48, 40, 3), level, dtype=np.uint8)
        if any(out.shape != flat.shape for out in _cells(operator, levels, flat)):
            yield f"an image of grey level {level} changes its shape"


def _text_cells(operator: TextOperator, levels: Sequence[Params], text: str) -> list[str | None]:
    draws = operator.sample(KeyedStream(0, "check", "check", text[:20]), text, levels)
    return [operator.apply(text, draws, params) for params in levels]


def _valid_text(operator: TextOperator, levels: Sequence[Params]) -> Iterator[str]:
    for text in _TEXTS:
        for severity, out in enumerate(_text_cells(operator, levels, text), start=1):
            if out is None:
                continue
            if not isinstance(out, str) or not out.strip():
                yield f"severity {severity} of {text[:30]!r} gives {out!r}"
            out.encode()


def _same_text(operator: TextOperator, levels: Sequence[Params]) -> Iterator[str]:
    for text in _TEXTS:
        if _text_cells(operator, levels, text) != _text_cells(operator, levels, text):
            yield f"two runs on {text[:30]!r} differ"


def _pair_items() -> list[PairItem]:
    return [PairItem(f"{i}", f"group {i // 2}", f"a caption of image {i // 2}") for i in range(40)]


def _plans(operator: PairOperator, levels: Sequence[Params]) -> list[Any]:
    items = _pair_items()
    return [operator.plan(items, lambda i: KeyedStream(0, "check", "check", i), params) for params in levels]


def _valid_plan(operator: PairOperator, levels: Sequence[Params]) -> Iterator[str]:
    n = len(_pair_items())
    for severity, plan in enumerate(_plans(operator, levels), start=1):
        for part in (plan.image_present, plan.text_present, plan.image_from, plan.text_from):
            if part.shape != (n,):
                yield f"severity {severity}: a plan for {n} pairs has parts of shape {part.shape}"
        if (
            min(plan.image_from.min(), plan.text_from.min()) < 0
            or max(plan.image_from.max(), plan.text_from.max()) >= n
        ):
            yield f"severity {severity}: a partner outside of the {n} pairs"


def _same_plan(operator: PairOperator, levels: Sequence[Params]) -> Iterator[str]:
    def digest() -> list[str]:
        return [hashlib.sha256(repr(plan).encode()).hexdigest() for plan in _plans(operator, levels)]

    if digest() != digest():
        yield "two plans with the same keys differ"


_Check = Callable[[Any, Sequence[Params]], Iterator[str]]

_CHECKS: dict[type[Operator], dict[str, _Check]] = {
    ImageOperator: {
        "keeps shape and dtype": _keeps_shape,
        "leaves its input alone": _leaves_input,
        "leaves its draws alone": _leaves_draws,
        "same key, same bytes": _same_key_same_bytes,
        "every severity changes an image": _changes,
        "takes flat images": _flat_images,
    },
    TextOperator: {"gives valid text or None": _valid_text, "same key, same text": _same_text},
    PairOperator: {"plans for every pair": _valid_plan, "same keys, same plan": _same_plan},
}
