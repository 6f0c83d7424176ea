"""A part of a split is that part of the whole."""

import numpy as np
import pytest

from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import DataError, MafsBenchError


def test_a_part_holds_its_images_captions_and_what_is_true_among_them() -> None:
    whole, part = resolve("scenes", "test", limit=60), resolve("scenes", "test[40:60]")
    assert part.samples == whole.samples[40:]
    assert part.split == "test[40:60]"
    assert whole.relevance is not None
    assert part.relevance is not None
    for k, images in enumerate(part.relevance.caption_images):
        expected = [i - 40 for i in whole.relevance.caption_images[5 * 40 + k] if i >= 40]
        assert images.tolist() == expected


def test_judged_positives_are_cut_in_both_directions(tmp_path) -> None:
    from dataclasses import replace

    from mafs_bench.datasets.slices import from_image
    from mafs_bench.types import Relevance

    whole = resolve("scenes", "test", limit=3)
    first = [np.array([k // 5]) for k in range(15)]
    first[12] = np.array([0, 1, 2])
    images = (np.array([0, 12]), np.array([6, 12]), np.array([3, 12]))
    part = from_image(replace(whole, relevance=Relevance(tuple(first), images, (4, 5, 6))), 1, "test[1:]")
    assert part.relevance is not None
    assert part.relevance.image_captions is not None
    assert [row.tolist() for row in part.relevance.image_captions] == [[1, 7], [7]]
    assert part.relevance.caption_images[7].tolist() == [0, 1]
    assert part.relevance.image_totals == (5, 6)


def test_a_limit_counts_within_the_part() -> None:
    assert [s.id for s in resolve("scenes", "test[40:60]", limit=2).samples] == ["test-40", "test-41"]
    assert len(resolve("scenes", "test[990:]").samples) == 10
    assert len(resolve("scenes", "test[:7]").samples) == 7


@pytest.mark.parametrize(
    "split", ["test[5:5]", "test[9:3]", "test[a:b]", "test[3]", "test[-5:]", "[0:3]", "test[0:3"]
)
def test_other_brackets_are_refused_in_one_line(split: str) -> None:
    with pytest.raises(DataError, match=r"written as in test\[500:800\]"):
        resolve("scenes", split)


def test_a_part_beyond_the_end_and_an_unknown_split_are_refused() -> None:
    with pytest.raises(DataError, match="1000 images"):
        resolve("scenes", "test[1000:]")
    with pytest.raises(MafsBenchError, match="split of scenes"):
        resolve("scenes", "tset[0:10]")
