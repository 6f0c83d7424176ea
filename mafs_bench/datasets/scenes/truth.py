"""Decide exactly which captions are true of which scenes, for all captions and scenes at once.

A group and the setting of its scene are encoded as a 64-bit word with one bit per value; a caption allows a set of
bits. A group matches a noun phrase if its word has no bit outside the allowed set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from mafs_bench.datasets.scenes.world import COLOURS, GROUP_FIELDS, SETTING_FIELDS, SHAPES, World
from mafs_bench.types import Relevance

_SIZES = {name: len(values) for name, values in (GROUP_FIELDS | SETTING_FIELDS).items()}
_OFFSETS = dict(zip(_SIZES, accumulate(_SIZES.values(), initial=0), strict=False))
_FIELD_BITS = {name: ((1 << size) - 1) << _OFFSETS[name] for name, size in _SIZES.items()}
_ABSENT = 1 << 63
ANYTHING = sum(_FIELD_BITS.values())
"""Allows every group in every setting."""

ANY_RELATION, LEFT_OF, RIGHT_OF, ABOVE, BELOW = range(5)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a caption states: a group matches ``first``, and another group in ``relation`` to it matches ``second``.

    ``second`` is 0 if the caption mentions one group only.
    """

    first: int
    second: int = 0
    relation: int = ANY_RELATION


def only(field: str, *values: int) -> int:
    """Allow these values of one field and all values of the others; combine with ``&``."""
    return ANYTHING & ~_FIELD_BITS[field] | sum(1 << (_OFFSETS[field] + value) for value in values)


def relation_of(first: int, second: int) -> tuple[int, ...]:
    """The relations that hold from one position (0-3, row by row) to another."""
    (row, column), (other_row, other_column) = divmod(first, 2), divmod(second, 2)
    found = [LEFT_OF if column < other_column else RIGHT_OF] if column != other_column else []
    return (*found, *([ABOVE if row < other_row else BELOW] if row != other_row else []))


_HOLDS = np.array(
    [[[r == ANY_RELATION or r in relation_of(a, b) for r in range(5)] for b in range(4)] for a in range(4)]
)


def find_true(claims: Sequence[Claim], world: World) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices (claim, scene) of all pairs in which the claim is true, sorted."""
    words = _words(world)
    forbidden = ~np.array([claim.first for claim in claims], dtype=np.uint64)
    claim, row = _fits(forbidden, words[world.present])
    scene, group = (index[row] for index in np.nonzero(world.present))
    true = _second_fits(claims, claim, scene, group, words, world)
    pairs = np.unique(claim[true] * len(world) + scene[true])
    return pairs // len(world), pairs % len(world)


def relevance(claims: Sequence[Claim], world: World) -> Relevance:
    """All scenes of which each claim is true."""
    claim, scene = find_true(claims, world)
    return Relevance(tuple(np.split(scene, np.searchsorted(claim, np.arange(1, len(claims))))))


def _words(world: World) -> npt.NDArray[np.uint64]:
    """The word of every group: uint64 (n, 4); absent groups have a bit that nothing allows."""
    words = np.where(world.present, np.uint64(0), np.uint64(_ABSENT))
    for field, name in enumerate(GROUP_FIELDS):
        words |= np.uint64(1) << (world.groups[:, :, field] + _OFFSETS[name]).astype(np.uint64)
    for field, name in enumerate(SETTING_FIELDS):
        words |= np.uint64(1) << (world.settings[:, field, None] + _OFFSETS[name]).astype(np.uint64)
    return words


def _fits(
    forbidden: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices (claim, row) of all words without a forbidden bit, searched by shape and colour."""
    claims, rows = [], []
    for shape in range(len(SHAPES)):
        for colour in range(len(COLOURS)):
            bits = np.uint64(1 << (_OFFSETS["shape"] + shape) | 1 << (_OFFSETS["colour"] + colour))
            some_claims = np.flatnonzero((forbidden & bits) == 0)
            some_rows = np.flatnonzero((words & bits) == bits)
            claim, row = np.nonzero((forbidden[some_claims, None] & words[some_rows]) == 0)
            claims.append(some_claims[claim])
            rows.append(some_rows[row])
    return np.concatenate(claims), np.concatenate(rows)


def _second_fits(
    claims: Sequence[Claim],
    claim: npt.NDArray[np.int64],
    scene: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    world: World,
) -> npt.NDArray[np.bool_]:
    """Whether another group matches the second noun phrase, given the group that matches the first."""
    second = np.array([claim.second for claim in claims], dtype=np.uint64)[claim]
    relation = np.array([claim.relation for claim in claims])[claim]
    met: npt.NDArray[np.bool_] = second == 0
    own = world.groups[scene, group, -1]
    for other in range(words.shape[1]):
        fits = (words[scene, other] & ~second) == 0
        met |= fits & (other != group) & _HOLDS[own, world.groups[scene, other, -1], relation]
    return met
