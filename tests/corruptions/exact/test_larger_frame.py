"""A suite is its frame: ``core-512@1`` is ``core@2`` in a larger one, and shows the same damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.corruptions.exact.frame import to_frame
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import SuiteError

CORE, LARGE = suites.load("core@2"), suites.load("core-512@1")
NAMES = [c.name for c in CORE.corruptions.values() if c.modality == "image"]
SEEN = 224
LIMITS = {"gaussian_noise": 0.075, "shot_noise": 0.075, "speckle_noise": 0.075, "mosaic": 0.075}
"""White noise loses a part of its finest grain where it is enlarged, and so do the small cells of a weak mosaic."""


def test_it_is_the_same_suite_in_another_frame() -> None:
    assert (CORE.frame, LARGE.frame) == (256, 512)
    assert {n: replace(c, suite="") for n, c in CORE.corruptions.items()} == {
        n: replace(c, suite="") for n, c in LARGE.corruptions.items()
    }
    assert {c.suite for c in LARGE.corruptions.values()} == {"core-512@1"}
    assert CORE.digest != LARGE.digest


def visible_damage(suite: suites.Suite, name: str, n: int = 5) -> float:
    """Mean absolute change over scenes and severities, as seen at 224 pixels; the draws are those of ``core@2``."""
    corruption = replace(suite.corruptions[name], suite=CORE.id)
    changes = []
    for sample in resolve("scenes", None, None, n).samples:
        clean = to_frame(sample.image.load(), suite.frame or 0)
        made = corrupt_image(clean, corruption, corruption.severities, seed=0, sample_id=sample.id)
        before, *after = (to_frame(image, SEEN).astype(int) for image in (clean, *made))
        changes.append([np.abs(image - before).mean() for image in after])
    return float(np.mean(changes))


@pytest.mark.parametrize("name", NAMES)
def test_the_damage_that_is_seen_is_the_same(name: str) -> None:
    expected = visible_damage(CORE, name)
    assert visible_damage(LARGE, name) == pytest.approx(expected, rel=LIMITS.get(name, 0.05))


def test_a_suite_extends_a_published_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nversion = 1\nextends = "core@2"\n[corruptions.pixelate]\noperator = "pixelate@2"\n'
        'modality = "image"\nfamily = "digital"\nlevels = { factor = [0.9, 0.8, 0.7, 0.6, 0.5] }\n'
    )
    mine = suites.parse(path)
    assert mine.frame == 256
    assert list(mine.corruptions) == list(CORE.corruptions)
    assert mine.corruptions["pixelate"].levels[0]["factor"] == 0.9
    assert mine.corruptions["fog"].levels == CORE.corruptions["fog"].levels
    path.write_text('name = "mine"\nversion = 1\nextends = "cor@2"\n')
    with pytest.raises(SuiteError, match=r"extends = 'cor@2'; allowed: .*core@2"):
        suites.parse(path)
