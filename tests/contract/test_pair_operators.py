"""What must hold for every pair operator of every published suite."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import PairItem, PairOperator, PairPlan
from mafs_bench.corruptions.engine import plan_pairs
from mafs_bench.errors import UsageError
from mafs_bench.types import Corruption

ALL = [
    corruption
    for suite in suites.published()
    if suite != "core-512@1"  # the blocks of core@2
    for corruption in suites.load(suite).corruptions.values()
    if corruption.modality == "pair"
]
each = pytest.mark.parametrize("corruption", ALL, ids=lambda c: f"{c.suite}:{c.name}")
WORDS = ("red", "dog", "runs", "on", "the", "beach", "two", "girls", "play", "ball")


def make_items(group_sizes: list[int]) -> list[PairItem]:
    return [
        PairItem(f"{g}#{k}", str(g), " ".join(WORDS[(g * 3 + k + j) % len(WORDS)] for j in range(4)))
        for g, size in enumerate(group_sizes)
        for k in range(size)
    ]


ITEMS = make_items([5] * 30 + [1] * 20)


def plans(items: list[PairItem], corruption: Corruption, seed: int = 3) -> list[PairPlan]:
    return [plan_pairs(items, corruption, severity, seed=seed) for severity in range(6)]


def changed(plan: PairPlan) -> np.ndarray:
    own = np.arange(len(plan.image_from))
    blended = (plan.blend_from != own) & bool(plan.image_blend or plan.text_blend)
    return (
        ~plan.image_present
        | ~plan.text_present
        | (plan.image_from != own)
        | (plan.text_from != own)
        | blended
        | (plan.option_draws >= 0)
    )


def test_every_registered_pair_operator_is_in_a_published_suite() -> None:
    registered = {name for name in OPERATORS.names() if isinstance(OPERATORS.get(name), PairOperator)}
    assert registered == {corruption.operator for corruption in ALL}


@each
def test_severity_zero_is_the_identity(corruption: Corruption) -> None:
    assert not changed(plan_pairs(ITEMS, corruption, 0, seed=3)).any()


@each
def test_changed_sets_are_nested_and_graded(corruption: Corruption) -> None:
    rows = plans(ITEMS, corruption)
    for less, more in pairwise(rows):
        assert not (changed(less) & ~changed(more)).any()
        assert (more.image_blend, more.text_blend) >= (less.image_blend, less.text_blend)
    if "rate" in corruption.levels[0]:
        shares = [changed(plan).mean() for plan in rows[1:]]
        assert shares == pytest.approx([level["rate"] for level in corruption.levels], abs=0.11)
    elif "image_rate" in corruption.levels[0]:
        without_image = [~plan.image_present for plan in rows[1:]]
        rates = [level["image_rate"] for level in corruption.levels]
        assert [lost.mean() for lost in without_image] == pytest.approx(rates, abs=0.11)
        assert all((plan.text_present == ~plan.image_present).all() for plan in rows[1:])
        assert not any((less & ~more).any() for less, more in pairwise(without_image))
    else:
        assert [plan.image_blend or plan.text_blend for plan in rows[1:]] == [
            level["share"] for level in corruption.levels
        ]


@each
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=12), seed=st.integers(0, 2**40))
def test_nobody_gets_a_partner_of_the_own_group(corruption: Corruption, sizes: list[int], seed: int) -> None:
    items = make_items(sizes)
    if 2 * max(sizes) > len(items):
        sizes = [*sizes, *([1] * max(sizes))]
        items = make_items(sizes)
    groups = np.array([item.group for item in items])
    for plan in plans(items, corruption, seed)[1:]:
        own = np.arange(len(items))
        for source in (plan.image_from, plan.text_from, plan.blend_from):
            moved = source != own
            assert (groups[moved] != groups[source[moved]]).all()


@each
def test_the_order_of_the_items_does_not_matter(corruption: Corruption) -> None:
    shuffled = ITEMS.copy()
    random.Random(1).shuffle(shuffled)
    there, here = plan_pairs(ITEMS, corruption, 4, seed=3), plan_pairs(shuffled, corruption, 4, seed=3)

    def named(items: list[PairItem], plan: PairPlan) -> dict[str, tuple[object, ...]]:
        return {
            item.id: (
                plan.image_present[i],
                plan.text_present[i],
                items[plan.image_from[i]].id,
                items[plan.text_from[i]].id,
                items[plan.blend_from[i]].id,
            )
            for i, item in enumerate(items)
        }

    assert named(ITEMS, there) == named(shuffled, here)


@each
def test_seeds_differ(corruption: Corruption) -> None:
    first, second = (plan_pairs(ITEMS, corruption, 3, seed=seed) for seed in (1, 2))
    assert any(
        (getattr(first, name) != getattr(second, name)).any()
        for name in ("image_present", "text_present", "image_from", "text_from", "blend_from", "option_draws")
    )


@each
def test_arrays_have_the_declared_types(corruption: Corruption) -> None:
    plan = plan_pairs(ITEMS, corruption, 5, seed=3)
    assert plan.image_present.dtype == plan.text_present.dtype == bool
    assert plan.image_from.dtype == plan.text_from.dtype == plan.blend_from.dtype == np.int64


@pytest.mark.parametrize("name", ["pair_shuffle", "hard_pair_shuffle", "caption_mix", "image_mix"])
def test_a_group_of_more_than_half_is_refused_in_one_line(name: str) -> None:
    corruption = suites.load("core@1").corruptions[name]
    with pytest.raises(UsageError, match=r"3 of 5 items are of group '0'; allowed: at most half"):
        plan_pairs(make_items([3, 1, 1]), corruption, 1, seed=0)
