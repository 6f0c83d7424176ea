"""``box_occlusion`` on photos of which some have no box: a run, the files, the audit and the page agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mafs_bench.adapters.object_adapter import as_adapter
from mafs_bench.cli import app
from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.images import decode
from mafs_bench.datasets.resolve import resolve
from mafs_bench.report.examples import worst_examples
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.images import CorruptedImage
from mafs_bench.runs.store import StoredRun, read_run
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.tasks.base import caption_pairs
from mafs_bench.types import Condition
from tests.support.coco_photos import BOXES, file_name, write_coco
from tests.support.toy import TOY_ADAPTER, ToyEncoder

COVERED = suites.load("boxes@1").corruptions["box_occlusion"]
BARE = {number for number, boxes in BOXES.items() if not boxes}
TASKS = ("retrieval", "fused-retrieval", "matching")


def command(name: str, root: Path, *options: str) -> str:
    data = ["--dataset", "coco", "--data-root", str(root), "--suite", "boxes@1"]
    done = CliRunner().invoke(app, [name, *data, *options])
    assert done.exit_code == 0, done.output
    return done.output


def run(root: Path, out: Path, *options: str) -> StoredRun:
    asked = ["--model", TOY_ADAPTER, "--split", "val2017", "--corruption", "box_occlusion", "--severity", "5"]
    tasks = [word for task in TASKS for word in ("--task", task)]
    command("run", root, *asked, *tasks, "--workers", "0", "--out", str(out), "--quiet", *options)
    return read_run(out)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    write_coco(folder)
    return folder


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    return run(root, tmp_path_factory.mktemp("run"))


def cells(run: StoredRun) -> dict[tuple[str, int], tuple[pd.DataFrame, Any]]:
    return {(cell.task, cell.severity): (run.frame(cell), cell) for cell in run.results}


@pytest.mark.parametrize("task", TASKS)
def test_images_without_a_box_are_unscored_and_counted(finished: StoredRun, task: str) -> None:
    found = cells(finished)
    clean, _ = found[task, 0]
    frame, cell = found[task, 5]
    assert clean["score"].notna().all()
    assert set(frame.loc[frame["score"].isna(), "group"]) == BARE
    assert frame["score"].isna().equals(frame["group"].isin(BARE))
    assert cell.audit["images_not_applicable"] == len(BARE)
    assert cell.audit["images_changed"] == 1 - len(BARE) / len(BOXES)
    assert cell.audit["pixel_change"] > 0
    assert max(estimate.n_unscored for estimate in cell.metrics.values()) > 0


def test_pixel_change_is_that_of_the_images_that_were_changed(finished: StoredRun, root: Path) -> None:
    samples = with_boxes(resolve("coco", "val2017", root), [COVERED]).samples
    changes = []
    for sample in samples:
        clean = sample.image.load().astype(float)
        made = CorruptedImage(sample.image, COVERED, 5, 0, sample.id, sample.boxes).load()
        changes.append(np.abs(made - clean).mean())
        assert (changes[-1] == 0) == (sample.id in BARE)
    _, cell = cells(finished)["retrieval", 5]
    assert cell.audit["pixel_change"] == pytest.approx(np.mean([c for c in changes if c]))


def test_raw_pairs_are_as_applicable_as_encoded_ones(root: Path) -> None:
    data = with_boxes(resolve("coco", "val2017", root), [COVERED])
    pairs = caption_pairs(data)
    condition, parts = Condition("boxes@1", "box_occlusion", 5, 0), ConditionParts.of([(COVERED, 5)])
    encoder = Encoder(as_adapter(ToyEncoder()), data, 0, 4, 0)
    raw, encoded = (ConditionView(encoder, condition, parts) for _ in range(2))
    batches = list(raw.pair_batches(pairs))
    applicable = encoded.pair_embeddings(pairs).applicable
    assert np.array_equal(np.concatenate([batch.applicable for batch in batches]), applicable)
    assert [pair.id for pair, there in zip(pairs, applicable, strict=True) if not there] == [
        f"{number}#{k}" for number in BOXES if number in BARE for k in range(2)
    ]
    assert raw.audit() == encoded.audit()
    assert raw.content_hash() == encoded.content_hash()


def test_an_unreadable_photo_is_left_out_beside_them(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "coco"
    write_coco(copy)
    (copy / "val2017" / file_name("val2017", 42)).write_bytes(b"nothing")
    made = run(copy, tmp_path / "run", "--on-error", "skip")
    frame, cell = cells(made)["fused-retrieval", 5]
    assert list(made.spec.skipped) == ["42"]
    assert "42" not in set(frame["group"])
    assert frame["score"].isna().equals(frame["group"].isin(BARE))
    assert cell.audit["images_not_applicable"] == len(BARE)


def test_the_files_hold_them_clean_and_say_so(root: Path, tmp_path: Path) -> None:
    asked = ["--split", "val2017", "--corruption", "all", "--severity", "1,5", "--workers", "0", "--quiet"]
    command("corrupt", root, *asked, "--out", str(tmp_path))
    for severity in (1, 5):
        folder = tmp_path / "box_occlusion" / str(severity)
        records = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
        assert {record["id"] for record in records if record["image_not_applicable"]} == BARE
        for sample in with_boxes(resolve("coco", "val2017", root), [COVERED]).samples:
            made = CorruptedImage(sample.image, COVERED, severity, 0, sample.id, sample.boxes).load()
            np.testing.assert_array_equal(decode(folder / f"{sample.id}.png"), made)


def test_the_audit_gives_the_share_to_which_it_applies(root: Path) -> None:
    whole = json.loads((root / "annotations" / "captions_val2017.json").read_text())
    images = [
        {
            "filepath": "val2017",
            "filename": image["file_name"],
            "cocoid": image["id"],
            "split": "test",
            "sentences": [{"raw": "a picture"}],
        }
        for image in whole["images"]
    ]
    (root / "dataset_coco.json").write_text(json.dumps({"images": images}))
    arguments = ["list", "corruptions", "--audit", "--dataset", "coco", "--data-root", str(root)]
    done = CliRunner().invoke(app, [*arguments, "--suite", "boxes@1"])
    assert done.exit_code == 0, done.output
    assert "60%" in done.output
    assert "100% 100% 100% 100% 100%" in done.output


def test_the_page_shows_the_pixels_of_the_run(finished: StoredRun, root: Path) -> None:
    found = worst_examples(finished, root)
    assert (found.left_out, bool(found.shown)) == ((), True)
    assert all(example.image_corrupted for example in found.shown)
    other = replace(finished, spec=replace(finished.spec, revision="0" * 64))
    assert "is another revision than the run's" in worst_examples(other, root).left_out[0]
