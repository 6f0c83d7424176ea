"""Scores on data that a model was trained on are noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import load
from mafs_bench.corruptions.suite import CLEAN_ONLY
from mafs_bench.datasets.overlap import overlap_notes, shared_images
from mafs_bench.datasets.resolve import resolve
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.record import run_notes
from mafs_bench.types import TrainingData
from tests.support.toy import write_toy_folder


def trained(name: str, split: str, images: int = 100, revision: str = "r") -> TrainingData:
    return TrainingData(name, split, revision, images)


@pytest.mark.parametrize(
    ("data", "spec", "split", "limit", "overlaps"),
    [
        (trained("scenes", "val"), "scenes", "val", 5, True),
        (trained("scenes", "val"), "scenes", "test", 5, False),
        (trained("scenes", "val"), "scenes:night", "val", 5, True),
        (trained("scenes", "val[10:20]", 10), "scenes", "val[19:25]", None, True),
        (trained("scenes", "val[10:20]", 10), "scenes", "val[20:25]", None, False),
        (trained("scenes", "val", 20), "scenes", "val[20:25]", None, False),
        (trained("scenes", "val[10:20]", 10), "scenes", "val", 10, False),
        (trained("scenes", "val[10:20]", 10), "scenes", "val", 11, True),
        (trained("coco", "val"), "scenes", "val", 5, False),
    ],
)
def test_parts_of_a_split_overlap_where_they_share_images(
    data: TrainingData, spec: str, split: str, limit: int | None, overlaps: bool
) -> None:
    notes = overlap_notes("mine", [data, data], resolve(spec, split, None, limit))
    assert len(notes) == overlaps
    if overlaps:
        assert notes[0].endswith(f"images that it was trained on: scenes {data.split} ({data.images} images)")


def test_the_users_own_folders_are_told_by_their_content(tmp_path: Path) -> None:
    first = resolve(str(write_toy_folder(tmp_path / "a" / "data", n=3)))
    second = resolve(str(write_toy_folder(tmp_path / "b" / "data", n=4)))
    assert first.name == second.name
    assert overlap_notes("mine", [TrainingData.of(first)], first)
    assert not overlap_notes("mine", [TrainingData.of(first)], second)
    assert (shared_images(first, second), shared_images(second, first)) == (3, 3)


def test_scenes_are_shared_by_their_numbers() -> None:
    part, other = resolve("scenes", "val[2:6]"), resolve("scenes", "test", None, 6)
    assert shared_images(part, resolve("scenes", "val", None, 4)) == 2
    assert shared_images(part, other) == 0


def notes_of(model: str, split: str) -> str:
    plan = make_plan(RunRequest(model, CLEAN_ONLY, split=split, limit=3))
    return "; ".join(run_notes(plan, load(model, Settings()), None, Settings()))


@pytest.mark.parametrize(
    ("model", "split", "said"),
    [
        ("clip", "train", "clip is scored on images that it was trained on: scenes train (20,000 images)"),
        (
            "mafs-clip",
            "val",
            "mafs-clip is scored on images that it was trained on: scenes val (1,000 images)",
        ),
        (
            "mafs-clip",
            "train",
            "mafs-clip is scored on images that it was trained on: scenes train (20,000 images)",
        ),
        ("albef", "train", "albef is scored on images that it was trained on: scenes train (6,000 images)"),
        ("blip", "train", "blip is scored on images that it was trained on: scenes train (6,000 images)"),
    ],
)
def test_the_record_of_a_run_says_that_its_data_were_trained_on(model: str, split: str, said: str) -> None:
    assert said in notes_of(model, split)


def test_the_test_split_was_trained_on_by_no_bundled_model() -> None:
    assert "trained on" not in notes_of("mafs-clip", "test")


def test_a_table_that_holds_no_training_data_is_refused() -> None:
    assert TrainingData.read([trained("a", "b").to_table()]) == (trained("a", "b"),)
    with pytest.raises(ValueError, match="no training data"):
        TrainingData.read([{"name": "a"}])
