"""Labels of conditions, and joint corruptions as data."""

from __future__ import annotations

import pytest

from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.types import Condition, JointCorruption, row_keys


@pytest.mark.parametrize("label", ["clean", "fog-3", "gaussian_noise@2+keyboard-5", "my-own-1"])
def test_a_label_is_read_as_it_is_written(label: str) -> None:
    condition = Condition.parse(label, "core@1", 7)
    assert condition.label == label
    assert (condition.suite, condition.seed) == ("core@1", 7)


@pytest.mark.parametrize("label", ["fog", "fog-6", "fog-0", "-3", "fog-", "clean-1x"])
def test_what_is_no_label_is_named(label: str) -> None:
    with pytest.raises(ValueError, match=f"condition '{label}'; allowed: clean, or CORRUPTION-SEVERITY"):
        Condition.parse(label)


def test_the_record_of_a_joint_run_has_the_parts_of_its_conditions() -> None:
    plan = make_plan(
        RunRequest("chance", "joint:gaussian+keyboard", "1,3", limit=4, tasks=("fused-retrieval",))
    )
    joint = {cell.condition.corruption: cell for cell in plan.cells if len(cell.corruptions) == 2}
    parts = {
        name: JointCorruption(c.corruptions[0][0].name, c.corruptions[0][1], c.corruptions[1][0].name)
        for name, c in joint.items()
    }
    assert set(parts) == {"gaussian_noise@1+keyboard", "gaussian_noise@3+keyboard"}
    assert {found.name for found in parts.values()} == set(parts)


def test_a_row_is_named_by_its_id_and_its_direction_where_it_has_one() -> None:
    assert row_keys(["group", "direction", "id", "score"]) == ["id", "direction"]
    assert row_keys(["id", "score"]) == ["id"]
