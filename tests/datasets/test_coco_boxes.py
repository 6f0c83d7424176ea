"""COCO's instance boxes: what is read, when, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import needs_boxes
from mafs_bench.datasets.instances import NOTE, read_instances
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import DataError
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.types import Dataset
from tests.support.coco_photos import BOXES, SIZES, file_name, instances, write_coco, write_json
from tests.support.toy import TOY_ADAPTER, write_toy_folder

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "coco-mini"
NEEDING = tuple(suites.load("boxes@1").corruptions.values())
OTHERS = tuple(suites.load("smoke@1").corruptions.values())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_coco(tmp_path)
    return tmp_path


def boxed(root: Path, split: str = "val2017", **options: Any) -> Dataset:
    return with_boxes(resolve("coco", split, root, **options), NEEDING)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as raised:
        call()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_boxes_are_the_pixels_that_the_annotations_touch(root: Path) -> None:
    assert {sample.id: sample.boxes for sample in boxed(root).samples} == BOXES


def test_boxes_are_those_of_the_masks_that_pycocotools_draws(root: Path) -> None:
    api = pytest.importorskip("pycocotools.coco")
    reference = api.COCO(root / "annotations" / "instances_val2017.json")
    for number in SIZES:
        masks = [
            reference.annToMask(a) for a in reference.loadAnns(reference.getAnnIds([number], iscrowd=False))
        ]
        drawn = [np.nonzero(mask) for mask in masks if mask.any()]
        found = BOXES[str(number)]
        assert len(found) == len(drawn)
        for (x0, y0, x1, y1), (rows, columns) in zip(found, drawn, strict=True):
            inside = (columns.min() - x0, rows.min() - y0, x1 - 1 - columns.max(), y1 - 1 - rows.max())
            assert all(0 <= gap <= 1 for gap in inside), (number, inside)


def test_karpathys_splits_take_the_file_of_the_split_that_a_photo_was_published_in(tmp_path: Path) -> None:
    for split in ("val2014", "train2014"):
        write_coco(tmp_path, split)
    parts = {"test": "val2014", "train": "train2014"}
    images = [
        {
            "filepath": folder,
            "filename": file_name(folder, n),
            "cocoid": n,
            "split": part,
            "sentences": [{"raw": "a"}],
        }
        for part, folder in parts.items()
        for n in SIZES
        if (n > 200) == (part == "train")
    ]
    write_json(tmp_path / "dataset_coco.json", {"images": images})
    (tmp_path / "annotations" / "instances_train2014.json").unlink()
    assert [sample.boxes for sample in boxed(tmp_path, "test").samples] == [BOXES["42"], BOXES["139"]]
    assert "annotations/instances_train2014.json" in refusal(lambda: boxed(tmp_path, "train"))
    write_json(tmp_path / "annotations" / "instances_train2014.json", instances())
    assert [sample.id for sample in boxed(tmp_path, "train").samples if sample.boxes] == ["285"]
    write_json(
        tmp_path / "dataset_coco.json", {"images": [{**images[0], "filepath": "", "filename": "42.jpg"}]}
    )
    (tmp_path / "42.jpg").write_bytes((tmp_path / "val2014" / file_name("val2014", 42)).read_bytes())
    assert "do not contain their split" in refusal(lambda: boxed(tmp_path, "test"))


def test_the_file_is_read_only_where_a_corruption_needs_it(root: Path) -> None:
    data = resolve("coco", "val2017", root)
    (root / "annotations" / "instances_val2017.json").unlink()
    assert not any(needs_boxes(corruption) for corruption in OTHERS)
    assert with_boxes(data, OTHERS) is data
    assert resolve("coco", "val2017", root).revision == data.revision
    message = refusal(lambda: with_boxes(data, (*OTHERS, *NEEDING)))
    assert message.startswith("box_occlusion needs boxes: ")
    assert "annotations/instances_val2017.json" in message


def test_it_is_part_of_the_revision_and_of_the_record(root: Path) -> None:
    file = root / "annotations" / "instances_val2017.json"
    bare, first = resolve("coco", "val2017", root), boxed(root)
    assert first.revision != bare.revision
    assert boxed(root, limit=2).revision == first.revision
    assert first.notes == (f"coco: {NOTE}",)
    file.write_text(file.read_text() + "\n")
    assert boxed(root).revision != first.revision


def test_a_part_of_a_split_and_a_pickled_data_set_read_the_same(root: Path) -> None:
    part = boxed(root, "val2017[1:3]")
    assert [(sample.id, sample.boxes) for sample in part.samples] == list(BOXES.items())[1:3]
    copied = pickle.loads(pickle.dumps(resolve("coco", "val2017", root)))
    assert with_boxes(copied, NEEDING).samples == boxed(root).samples


def test_vqav2_reads_the_same_file(root: Path) -> None:
    write_coco(root, "val2014")
    asked = {"question_id": 1, "image_id": 42, "question": "what?"}
    answered = {"question_id": 1, "multiple_choice_answer": "a", "answers": [{"answer": "a"}] * 10}
    write_json(root / "v2_OpenEnded_mscoco_val2014_questions.json", {"questions": [asked]})
    write_json(root / "v2_mscoco_val2014_annotations.json", {"annotations": [answered]})
    assert with_boxes(resolve("vqav2", None, root), NEEDING).samples[0].boxes == BOXES["42"]


def test_copies_of_another_size_are_refused_and_unreadable_ones_left_to_the_run(root: Path) -> None:
    photo = root / "val2017" / file_name("val2017", 139)
    PIL.Image.open(photo).resize((30, 40)).save(photo)
    message = refusal(lambda: boxed(root))
    assert "1 of 5 photos are not of their original size" in message
    assert "000000000139.jpg is 30x40, not 60x80" in message
    photo.write_bytes(b"nothing")
    assert boxed(root).samples[1].boxes == BOXES["139"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")
def test_real_photos_are_held_against_the_sizes_that_are_listed(tmp_path: Path) -> None:
    (tmp_path / "val2017").symlink_to(SHARED / "val2017")
    captions = (SHARED / "annotations" / "captions_val2017.json").read_text()
    (tmp_path / "captions_val2017.json").write_text(captions)
    images = json.loads(captions)["images"]  # with the sizes of these small copies
    write_json(tmp_path / "instances_val2017.json", {"images": images, "annotations": []})
    assert len(boxed(tmp_path).samples) == 148
    published = {"id": 139, "width": 640, "height": 426}
    images = [image | published if image["id"] == 139 else image for image in images]
    write_json(tmp_path / "instances_val2017.json", {"images": images, "annotations": []})
    assert "000000000139.jpg is 385x256, not 640x426" in refusal(lambda: boxed(tmp_path))


def test_photos_that_are_not_listed_are_refused(root: Path) -> None:
    content = instances()
    content["images"] = [image for image in content["images"] if image["id"] != 632]
    write_json(root / "annotations" / "instances_val2017.json", content)
    assert "1 of 5 photos are not listed, such as 632" in refusal(lambda: boxed(root))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("annotations", "bbox", [1, 2, 3]),
        ("annotations", "bbox", [1, 2, 3, "4"]),
        ("annotations", "bbox", [1, 2, 3, float("nan")]),
        ("annotations", "bbox", [1, 2, float("inf"), 4]),
        ("annotations", "bbox", [1, 2, 10**400, 4]),
        ("annotations", "bbox", None),
        ("annotations", "image_id", "42"),
        ("annotations", "image_id", 43),
        ("images", "width", 64.5),
        ("images", "id", None),
    ],
)
def test_malformed_annotations_are_refused_in_one_line(
    tmp_path: Path, kind: str, key: str, value: object
) -> None:
    content = instances()
    content[kind][0][key] = value
    file = tmp_path / "instances_val2017.json"
    write_json(file, content)
    message = refusal(lambda: read_instances(file))
    assert message.startswith(f"{file}, {kind[:-1]} 0: ")


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "{}", '{"images": []}', '{"images": [3], "annotations": []}']
)
def test_files_that_are_no_instances_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "instances_val2017.json"
    file.write_text(text)
    assert str(file) in refusal(lambda: read_instances(file))


def test_data_without_boxes_are_refused_when_the_plan_is_made(tmp_path: Path) -> None:
    folder = write_toy_folder(tmp_path / "toy", 3)
    request = RunRequest(TOY_ADAPTER, "all", dataset=str(folder), suite="boxes@1")
    assert refusal(lambda: make_plan(request)).startswith(
        "box_occlusion needs boxes around what the captions speak of, and toy has none; allowed: scenes, or coco"
    )
    assert make_plan(replace(request, corruption="clean")).dataset.name == "toy"


def test_a_plan_for_coco_has_the_boxes(root: Path) -> None:
    request = RunRequest(TOY_ADAPTER, "all", dataset="coco", split="val2017", data_root=root, suite="boxes@1")
    plan = make_plan(request)
    assert {sample.id: sample.boxes for sample in plan.dataset.samples} == BOXES
    assert make_plan(replace(request, suite="core@1")).dataset.revision != plan.dataset.revision
