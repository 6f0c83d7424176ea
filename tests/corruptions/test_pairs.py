"""Who loses what, and who gets whose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mafs_bench.corruptions import pairs
from mafs_bench.corruptions.base import PairItem
from mafs_bench.corruptions.text.spans import words
from mafs_bench.seeding import KeyedStream


def stream_of(item_id: str) -> KeyedStream:
    return KeyedStream(0, "core@1", "x", item_id)


def make(*texts: str) -> list[PairItem]:
    return [PairItem(f"{k}#0", str(k), text) for k, text in enumerate(texts)]


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=15), seed=st.integers(0, 1000))
def test_derangement_is_a_permutation_across_groups(sizes: list[int], seed: int) -> None:
    sizes = [min(size, sum(sizes) - size) for size in sizes]
    items = [PairItem(f"{g}-{k}", str(g), "") for g, size in enumerate(sizes) for k in range(size)]
    keys = np.random.default_rng(seed).integers(0, 4, len(items), dtype=np.uint32)
    if 2 * max(sizes) > len(items):
        return
    partner = pairs.derangement(items, keys)
    assert sorted(partner) == list(range(len(items)))
    assert all(items[i].group != items[j].group for i, j in enumerate(partner))


def test_of_nobody_there_is_nothing_to_shuffle() -> None:
    assert pairs.derangement([], np.zeros(0, dtype=np.uint32)).shape == (0,)


def test_the_most_similar_wrong_partner_shares_rare_words() -> None:
    items = make(
        "a red bicycle on the road",
        "a dog on the grass",
        "a bicycle and the road",
        "a dog on the sand",
        "zebra",
    )
    otherwise = np.array([1, 2, 3, 4, 0])
    found = pairs.most_similar_wrong(items, np.arange(5), otherwise)
    assert list(found) == [2, 3, 0, 1, 0]


def test_the_own_group_is_never_the_partner_even_with_the_same_words() -> None:
    items = [PairItem("0#0", "0", "a dog"), PairItem("0#1", "0", "a dog"), PairItem("1#0", "1", "dog cat")]
    found = pairs.most_similar_wrong(items, np.arange(3), np.array([2, 2, 0]))
    assert list(found) == [2, 2, 0]


def test_either_dropout_takes_one_modality_never_both() -> None:
    items = make(*["text"] * 400)
    plan = pairs.either_dropout.plan(items, stream_of, {"rate": 0.5})
    assert (plan.image_present | plan.text_present).all()
    assert 60 < (~plan.image_present).sum() < 140
    assert 60 < (~plan.text_present).sum() < 140


def test_a_large_plan_is_quick_enough() -> None:
    items = [PairItem(f"{k}", str(k // 5), "") for k in range(5000)]
    plan = pairs.pair_shuffle.plan(items, stream_of, {"rate": 0.4})
    assert (plan.image_from != np.arange(5000)).mean() == pytest.approx(0.4, abs=0.03)


def test_mix_captions_replaces_the_share_and_nests() -> None:
    text, other = "one two three four <image> five six seven eight .", "red green blue"
    made = [pairs.mix_captions(text, other, share, np.random.default_rng(1)) for share in (0.25, 0.5, 1.0)]
    replaced = [{i for i, word in enumerate(m.split()) if word in other.split()} for m in made]
    assert [len(r) for r in replaced] == [2, 4, 8]
    assert replaced[0] < replaced[1] < replaced[2]
    assert all("<image>" in m and m.endswith(" .") for m in made)
    assert pairs.mix_captions(text, "42", 0.5, np.random.default_rng(1)) == text
    assert len(words(text)) == 8


def test_blend_images_resizes_the_other_and_rounds() -> None:
    image = np.full((4, 6, 3), 10, dtype=np.uint8)
    other = np.full((8, 3, 3), 21, dtype=np.uint8)
    made = pairs.blend_images(image, other, 0.3)
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    assert set(made.ravel()) == {13}
    assert (pairs.blend_images(image, other, 0.0) == image).all()
