"""``mafs-bench list corruptions --audit``: what the corruptions really do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.memory import ArrayImage
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UsageError
from mafs_bench.runs.audit import Sight, audit_corruption

CORE = suites.load("core@1").corruptions
DATASET = resolve("scenes", None, None, 3)


@pytest.mark.parametrize("name", ["gaussian_noise", "keyboard", "image_mix"])
def test_everything_changes_and_more_with_severity(name: str) -> None:
    row = audit_corruption(CORE[name], DATASET)
    assert row.applicable == 1
    assert row.changed == (1, 1, 1, 1, 1)
    assert row.strength == tuple(sorted(row.strength))
    assert row.strength[0] > 0


def test_images_are_compared_as_a_model_sees_them() -> None:
    """Fine noise on large images: what the model's preprocessing averages out is no damage."""
    large = replace(
        DATASET,
        samples=tuple(
            replace(s, image=ArrayImage(s.id, np.repeat(np.repeat(s.image.load(), 4, 0), 4, 1)))
            for s in DATASET.samples
        ),
    )
    small, seen = (audit_corruption(CORE["gaussian_noise"], data) for data in (DATASET, large))
    stored = audit_corruption(CORE["gaussian_noise"], large, sight=Sight(lambda image: image, "grey levels"))
    assert seen.unit == "grey levels at 224 px"
    assert stored.strength[0] == pytest.approx(small.strength[0], rel=0.05)
    assert seen.strength[0] < 0.5 * small.strength[0]


def test_the_preprocessing_of_a_model_is_named() -> None:
    arguments = ["list", "corruptions", "--audit", "--suite", "smoke@1", "--limit", "2"]
    done = CliRunner().invoke(app, [*arguments, "--model", "clip"])
    assert done.exit_code == 0, done.output
    assert "input of clip" in " ".join(done.output.split())


def test_what_applies_to_nothing_has_no_figures() -> None:
    bare = replace(
        DATASET, samples=tuple(replace(sample, captions=("A dog .",)) for sample in DATASET.samples)
    )
    row = audit_corruption(CORE["number_swap"], bare)
    assert (row.applicable, row.changed, row.strength) == (0, (), ())


def test_the_command_prints_a_row_a_corruption() -> None:
    done = CliRunner().invoke(app, ["list", "corruptions", "--audit", "--suite", "smoke@1", "--limit", "2"])
    assert done.exit_code == 0, done.output
    for name in suites.load("smoke@1").corruptions:
        assert name in done.output


def test_only_corruptions_are_audited() -> None:
    with pytest.raises(UsageError, match="allowed: list corruptions --audit"):
        CliRunner().invoke(app, ["list", "tasks", "--audit"], catch_exceptions=False)
