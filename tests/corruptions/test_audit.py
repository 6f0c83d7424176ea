"""Error rates against the textbook algorithm; pixel differences by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mafs_bench.corruptions.audit import audit_image, audit_text, edit_distance


def textbook(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (a != b)))
    return row[-1]


@given(st.text("abc", max_size=20), st.text("abc", max_size=20))
def test_edit_distance_is_levenshteins(left: str, right: str) -> None:
    assert edit_distance(left, right) == textbook(left, right)


def test_known_rates() -> None:
    assert audit_text("a black dog", "a blakc dog") == {
        "character_error_rate": pytest.approx(2 / 11),
        "word_error_rate": pytest.approx(1 / 3),
    }
    assert audit_text("", "") == {"character_error_rate": 0, "word_error_rate": 0}
    assert audit_text("", "ab") == {"character_error_rate": 2, "word_error_rate": 1}


def test_long_texts_are_quick() -> None:
    assert edit_distance("ab" * 5000, "ba" * 5000) == 2


def test_pixel_differences() -> None:
    clean = np.zeros((4, 5, 3), dtype=np.uint8)
    other = clean.copy()
    other[0, 0] = (255, 0, 0)
    other[1, 1] = (0, 3, 3)
    found = audit_image(clean, other)
    assert found["pixels_changed"] == pytest.approx(2 / 20)
    assert found["mean_absolute_difference"] == pytest.approx(261 / 60)
    assert clean.max() == 0
