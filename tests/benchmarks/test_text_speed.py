"""Microseconds a caption, ours and seeded nlpaug side by side in one thread.

    pytest tests/benchmarks/test_text_speed.py -s

Times are CPU time, the lowest of several passes over the captions; the stream is opened anew each time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.types import Corruption

OURS = ("keyboard", "ocr", "char_insert", "char_replace", "char_swap", "char_delete")
CAPTIONS = [
    "A child in a pink dress is climbing up a set of stairs in an entry way .",
    "A girl going into a wooden building .",
    "Two dogs of different breeds looking at each other on the road .",
    "A man in an orange hat starring at something .",
    "A little girl is sitting in front of a large painted rainbow .",
    "Several climbers in a row are climbing the rock while the man in red watches and holds the line .",
    "A black dog and a white dog with brown spots are staring at each other in the street .",
    "a group of four children wearing pajamas have a pillow fight",
]


def microseconds(corruption: Corruption, severities: Sequence[int], passes: int) -> float:
    best = float("inf")
    for _ in range(passes):
        begin = time.process_time()
        for _ in range(10):
            for k, caption in enumerate(CAPTIONS):
                corrupt_text(caption, corruption, severities, seed=0, sample_id=f"1000268201.jpg#{k}")
        best = min(best, (time.process_time() - begin) / (10 * len(CAPTIONS)))
    return best * 1e6


@pytest.mark.parametrize("name", OURS)
def test_character_corruptions_beat_nlpaug_five_times(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ours = suites.load("core@1").corruptions[name]
    theirs = suites.load("mm-robustness-2022@1").corruptions[name]
    assert theirs.operator.startswith("nlpaug")
    microseconds(theirs, (3,), 2)
    # Interleaved, so that a busy machine slows both alike.
    one, five, reference = (
        min(values)
        for values in zip(
            *(
                (
                    microseconds(ours, (3,), 20),
                    microseconds(ours, (1, 2, 3, 4, 5), 5) / 5,
                    microseconds(theirs, (3,), 5),
                )
                for _ in range(5)
            ),
            strict=True,
        )
    )
    with capsys.disabled():
        print(
            f"\n{name:13} ours {one:6.1f} µs a caption at one severity, {five:5.1f} at each of five; "
            f"nlpaug {reference:6.1f} µs: {reference / one:4.1f} x"
        )
    assert reference / one >= 5


def test_texts_of_core_2_cost_no_more_than_half_again(capsys: pytest.CaptureFixture[str]) -> None:
    """All text corruptions together, every caption tagged once, as a run does."""
    totals = []
    for suite in ("core@1", "core@2"):
        blocks = [block for block in suites.load(suite).corruptions.values() if block.modality == "text"]
        totals.append(sum(microseconds(block, (1, 3, 5), 3) for block in blocks))
    with capsys.disabled():
        print(
            f"\nall texts: core@1 {totals[0]:.0f} µs a caption, core@2 {totals[1]:.0f}: {totals[1] / totals[0]:.2f} x"
        )
    assert totals[1] <= 1.5 * totals[0]
