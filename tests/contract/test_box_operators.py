"""What must hold for operators that look at the boxes around what the captions speak of."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import BoxOperator
from mafs_bench.corruptions.engine import corrupt_image, require_levels
from mafs_bench.corruptions.operator_check import check_operator, example_image
from mafs_bench.datasets import scenes
from mafs_bench.errors import DataError
from mafs_bench.runs.images import ImageJob, stream_images
from mafs_bench.types import SEVERITIES, Box, Corruption, Image

BOXES = [suites.load(suite).corruptions["box_occlusion"] for suite in ("boxes@1", "boxes@2")]
COVERED = BOXES[0]
GOLDEN = "91a08f88ff9f4aef799dc714b2cc99a33df2a0819aa89217ae923ecdb06a9765"
SCENES = scenes.load("", "test", limit=6)


def cells(
    image: Image, boxes: tuple[Box, ...], sample_id: str = "a", corruption: Corruption = COVERED
) -> list[Image]:
    return corrupt_image(image, corruption, SEVERITIES, seed=0, sample_id=sample_id, boxes=boxes)


def test_every_box_operator_keeps_the_contract_and_its_suite_the_ranges() -> None:
    registered = {name for name in OPERATORS.entries if isinstance(OPERATORS.get(name), BoxOperator)}
    assert registered == {corruption.operator for corruption in BOXES}
    for corruption in BOXES:
        require_levels(corruption)
        findings = check_operator(corruption.operator, corruption.levels)
        assert len(findings) == 6
        assert [finding for finding in findings if not finding.holds] == []


@given(
    corner=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    sides=st.tuples(st.integers(2, 60), st.integers(2, 60)),
    sample_id=st.text("abc", max_size=3),
)
def test_only_the_box_is_covered_and_more_of_it_with_each_severity(
    corner: tuple[int, int], sides: tuple[int, int], sample_id: str
) -> None:
    image = example_image(64, 80)
    box = (*corner, corner[0] + sides[0], corner[1] + sides[1])
    for corruption in BOXES:
        _require_nested_cover(image, box, cells(image, (box,), sample_id, corruption))


def _require_nested_cover(image: Image, box: Box, outs: list[Image]) -> None:
    x0, y0, x1, y1 = box[0], box[1], min(box[2], 80), min(box[3], 64)
    colour = outs[4][y0, x0]
    for out, params in zip(outs, COVERED.levels, strict=True):
        outside = out.copy()
        outside[y0:y1, x0:x1] = image[y0:y1, x0:x1]
        assert np.array_equal(outside, image)
        covered = (out[y0:y1, x0:x1] == colour).all(axis=-1)
        wanted, area = params["share"] * covered.size, covered.size
        assert covered.sum() >= min(wanted - (x1 - x0) - (y1 - y0) - 1, area)
    assert (outs[4][y0:y1, x0:x1] == colour).all()
    masks = [(out == colour).all(axis=-1) for out in outs]
    assert all((more | ~less).all() for less, more in pairwise(masks))


def test_over_many_samples_each_box_gets_its_turn() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    boxes = ((0, 0, 10, 10), (30, 30, 60, 60))
    hit = {tuple(out[5, 5]) == (0, 0, 0) for i in range(20) for out in cells(image, boxes, str(i))[4:]}
    assert hit == {True, False}


def test_an_image_without_boxes_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match=r"photo 7: no boxes, which box_occlusion needs; allowed: ") as caught:
        cells(example_image(40, 40), (), "photo 7")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_job_covers_the_objects_of_each_scene(workers: int) -> None:
    samples = SCENES.samples
    job = ImageJob(
        [s.image for s in samples],
        [s.id for s in samples],
        COVERED,
        SEVERITIES,
        0,
        boxes=[s.boxes for s in samples],
    )
    made = [item for batch in stream_images(job, range(6), batch=4, workers=workers) for item in batch]
    for item, sample in zip(made, samples, strict=True):
        wanted = cells(sample.image.load(), sample.boxes, sample.id)
        assert all(np.array_equal(a, b) for a, b in zip(item.arrays, wanted, strict=True))
        assert item.changes == sorted(item.changes)
        assert item.changes[0] > 0


def test_golden_cells() -> None:
    outs = cells(example_image(64, 64), ((8, 4, 40, 30), (30, 30, 70, 60)))
    assert hashlib.sha256(b"".join(out.tobytes() for out in outs)).hexdigest() == GOLDEN
