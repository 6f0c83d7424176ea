"""A suite's parameters are checked against what the image operators declare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.engine import corrupt_image, require_levels
from mafs_bench.errors import SuiteError

BLOCK = """name = "mine"
version = 1
[corruptions.blurry]
operator = "glass_blur"
modality = "image"
family = "blur"
levels = {{ sigma = [0.7, 1, 1, 1, 1], reach = {reach}, {rounds} = [1, 1, 1, 1, 1] }}
"""


@pytest.mark.parametrize(("reach", "rounds", "message"), [
    ("[1, 2, 2, 3, 99]", "rounds", r"mine@1: corruptions.blurry.levels.reach = 99; allowed: whole numbers from 1 to"),
    ("[1, 2, 2, 3, 2.5]", "rounds", r"reach = 2.5; allowed: whole numbers"),
    ("[true, true, true, true, true]", "rounds", r"reach = True; allowed: whole numbers"),
    ('["4", "4", "4", "4", "4"]', "rounds", r"reach = '4'; allowed: whole numbers"),
    ("[1, 1, 1, 1, 1]", "round", r"levels: unknown parameter 'round'. Did you mean 'rounds'"),
])  # fmt: skip
def test_refusals_name_suite_key_value_and_range(
    tmp_path: Path, reach: str, rounds: str, message: str
) -> None:
    (tmp_path / "mine.toml").write_text(BLOCK.format(reach=reach, rounds=rounds))
    corruption = suites.parse(tmp_path / "mine.toml").corruptions["blurry"]
    with pytest.raises(SuiteError, match=message):
        suites.load(str(tmp_path / "mine.toml"))
    with pytest.raises(SuiteError, match=message) as caught:
        corrupt_image(np.zeros((40, 40, 3), np.uint8), corruption, (1,), seed=0, sample_id="a")
    assert "\n" not in str(caught.value)


def test_a_missing_parameter_is_named(tmp_path: Path) -> None:
    block = BLOCK.replace(", reach = {reach}, {rounds} = [1, 1, 1, 1, 1]", "")
    (tmp_path / "mine.toml").write_text(block.format())
    with pytest.raises(SuiteError, match=r"levels.reach is missing; allowed: whole numbers from 1 to 15"):
        require_levels(suites.load(str(tmp_path / "mine.toml")).corruptions["blurry"])


WITHOUT_IMAGE_CORRUPTIONS = {"missing@1", "choice@1"}


@pytest.mark.parametrize("suite", suites.published())
def test_published_suites_are_in_range(suite: str) -> None:
    checked = [c for c in suites.load(suite).corruptions.values() if c.modality == "image"]
    assert bool(checked) == (suite not in WITHOUT_IMAGE_CORRUPTIONS)
    for corruption in checked:
        require_levels(corruption)


WITHOUT_WEIGHTS = [
    name
    for name in OPERATORS.entries
    if isinstance(OPERATORS.get(name), ImageOperator)
    and name != "stylize"  # tests/integration/test_stylize.py
]


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_both_ends_of_every_range_work(name: str) -> None:
    operator = OPERATORS.get(name)
    assert operator.ranges
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    for end in (0, 1):
        params = {key: bounds[end] for key, bounds in operator.ranges.items()}
        draws = operator.sample(np.random.Generator(np.random.Philox(3)), (32, 40), [params] * 5)
        out = operator.apply(image, draws, params)
        assert out.shape == image.shape
        assert out.dtype == np.uint8
