"""The seeded adapter against nlpaug itself, seeded through Python's global generator."""

from __future__ import annotations

import random

import pytest

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites

nac = pytest.importorskip("nlpaug.augmenter.char")

CAPTIONS = (
    "A child in a pink dress is climbing up a set of stairs in an entry way .",
    "The girl's dog isn't running (fast) at 3 o'clock!",
    "Two dogs",
    "é à",
)
THEIRS = {
    "keyboard": lambda rate: nac.KeyboardAug(aug_word_p=rate),
    "ocr": lambda rate: nac.OcrAug(aug_word_p=rate),
    "char_insert": lambda rate: nac.RandomCharAug("insert", aug_word_p=rate),
    "char_replace": lambda rate: nac.RandomCharAug("substitute", aug_word_p=rate),
    "char_swap": lambda rate: nac.RandomCharAug("swap", aug_word_p=rate),
    "char_delete": lambda rate: nac.RandomCharAug("delete", aug_word_p=rate),
}


@pytest.mark.parametrize("name", THEIRS)
def test_the_adapter_gives_what_the_library_gives_from_the_same_seed(name: str) -> None:
    corruption = suites.load("mm-robustness-2022@1").corruptions[name]
    operator = OPERATORS.get(corruption.operator)
    for level, rate in zip(corruption.levels, (0.15, 0.2, 0.25, 0.3, 0.35), strict=True):
        assert level == {"word_rate": rate}
        library = THEIRS[name](rate)
        for seed, caption in enumerate(CAPTIONS):
            random.seed(seed)
            assert operator.apply(caption, seed, level) == library.augment(caption)[0]


def test_global_state_is_neither_used_nor_touched() -> None:
    operator = OPERATORS.get("nlpaug_keyboard")
    random.seed(1)
    before = random.getstate()
    first = operator.apply(CAPTIONS[0], 7, {"word_rate": 0.3})
    assert random.getstate() == before
    random.seed(2)
    assert operator.apply(CAPTIONS[0], 7, {"word_rate": 0.3}) == first
