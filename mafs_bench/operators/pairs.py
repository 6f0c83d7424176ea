"""Corruptions of the pairing of image and text: a missing modality, or somebody else's.

Every item draws from its own stream, never from the severity, so that the set of changed items grows with
``rate`` and does not depend on the order of the items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mafs_bench.errors import UsageError
from mafs_bench.operators.base import PairItem, PairOperator, PairPlan
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Params

StreamOf = Callable[[str], KeyedStream]
Positions = npt.NDArray[np.int64]

_UNIT = 2.0**32


def _draws(items: Sequence[PairItem], stream_of: StreamOf) -> npt.NDArray[np.uint32]:
    """(n, 3) integers: is it changed, in which way, and its place in the seeded order."""
    return np.array([stream_of(item.id).uint32(3) for item in items], dtype=np.uint32).reshape(-1, 3)


def _changed(draws: npt.NDArray[np.uint32], params: Params) -> npt.NDArray[np.bool_]:
    rate = params["rate"]
    if not 0 < rate <= 1:
        raise UsageError(f"rate = {rate!r}; allowed: above 0, at most 1")
    changed: npt.NDArray[np.bool_] = draws[:, 0] < rate * _UNIT
    return changed


def derangement(items: Sequence[PairItem], keys: npt.NDArray[np.uint32]) -> Positions:
    """A permutation (n,) that gives nobody a partner of their own group, decided by ``keys`` (n,) alone.

    The items are laid out group by group in the keyed order and shifted by the size of the largest group.
    Raises ``UsageError`` where a group holds more than half of the items: then there is none.
    """
    n = len(items)
    if n == 0:
        return np.arange(0)
    group, largest = Counter(item.group for item in items).most_common(1)[0]
    if 2 * largest > n:
        raise UsageError(
            f"no mismatched partner for everybody: {largest} of {n} items are of group {group!r}; "
            "allowed: at most half"
        )
    order = sorted(range(n), key=lambda i: (int(keys[i]), items[i].id))
    first: dict[str, int] = {}
    for place, i in enumerate(order):
        first.setdefault(items[i].group, place)
    layout = np.array(sorted(order, key=lambda i: first[items[i].group]))
    partner = np.empty(n, dtype=np.int64)
    partner[layout] = np.roll(layout, -largest)
    return partner


def _image_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    lost = _changed(_draws(items, stream_of), params)
    return replace(PairPlan.identity(len(items)), image_present=~lost)


def _text_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    lost = _changed(_draws(items, stream_of), params)
    return replace(PairPlan.identity(len(items)), text_present=~lost)


def _either_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    draws = _draws(items, stream_of)
    lost, image = _changed(draws, params), draws[:, 1] < _UNIT / 2
    return replace(
        PairPlan.identity(len(items)), image_present=~(lost & image), text_present=~(lost & ~image)
    )


def _pair_shuffle(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    draws = _draws(items, stream_of)
    plan = PairPlan.identity(len(items))
    partner = derangement(items, draws[:, 2])
    return replace(plan, image_from=np.where(_changed(draws, params), partner, plan.image_from))


image_dropout = PairOperator(_image_dropout)
text_dropout = PairOperator(_text_dropout)
either_dropout = PairOperator(_either_dropout)
pair_shuffle = PairOperator(_pair_shuffle)
