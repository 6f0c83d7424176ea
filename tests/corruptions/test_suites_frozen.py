"""A published suite never changes: its file must have the digest that corruptions/CHANGELOG.md records."""

from __future__ import annotations

import re

import pytest

from mafs_bench.corruptions import suite as suites

RECORDED = dict(
    re.findall(
        r"^\| `([^`]+@\d+)` \| `([0-9a-f]{64})` \|$",
        (suites.data_folder("corruptions") / "CHANGELOG.md").read_text(),
        flags=re.MULTILINE,
    )
)


def test_every_published_suite_is_recorded_and_every_recorded_one_is_there() -> None:
    assert sorted(RECORDED) == list(suites.published())


@pytest.mark.parametrize("suite", suites.published())
def test_a_published_suite_is_as_it_was(suite: str) -> None:
    assert suites.load(suite).digest == RECORDED[suite], (
        f"{suite} has changed since it was published: give the change a new version, {suite.split('@')[0]}@N"
    )


def test_recorded_parameters_of_corruptions_that_several_suites_share_agree() -> None:
    """``smoke`` repeats blocks of ``core``: a difference would be a third meaning of the same name."""
    core = suites.load("core@1").corruptions
    for name, block in suites.load("smoke@1").corruptions.items():
        assert (block.operator, block.levels) == (core[name].operator, core[name].levels)
