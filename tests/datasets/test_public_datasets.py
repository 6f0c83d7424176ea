"""COCO, Flickr30k and VQAv2 from their official layouts, from Parquet as the hub has it, and broken ones."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.datasets import coco, flickr30k, vqav2
from mafs_bench.datasets.annotations import Entry
from mafs_bench.datasets.dataset_check import check
from mafs_bench.datasets.hub import HubTable
from mafs_bench.datasets.positives import human_positives
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import DataError, UnknownNameError
from mafs_bench.tasks.base import true_captions

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (32, 32), "teal").save(path)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def karpathy_image(number: int, split: str, n_captions: int = 5) -> dict[str, object]:
    return {
        "filepath": "val2014",
        "filename": f"COCO_val2014_{number:012d}.jpg",
        "cocoid": number,
        "split": split,
        "sentences": [{"raw": f"caption {k}", "sentid": 10 * number + k} for k in range(n_captions)],
    }


@pytest.fixture
def coco_root(tmp_path: Path) -> Path:
    images = [karpathy_image(n, "test", 7 if n == 2 else 5) for n in (1, 2, 3)] + [
        karpathy_image(9, "restval")
    ]
    write_json(tmp_path / "dataset_coco.json", {"images": images})
    for n in (1, 2):
        picture(tmp_path / "val2014" / f"COCO_val2014_{n:012d}.jpg")
    picture(tmp_path / "val2017" / f"{3:012d}.jpg")
    picture(tmp_path / "train2014" / f"COCO_val2014_{9:012d}.jpg")
    return tmp_path


def test_coco_takes_five_captions_from_either_layout(coco_root: Path) -> None:
    data = resolve("coco", None, coco_root)
    assert [sample.id for sample in data.samples] == ["1", "2", "3"]
    assert [len(sample.captions) for sample in data.samples] == [5, 5, 5]
    assert data.samples[2].image.name.endswith("val2017/000000000003.jpg")
    assert (data.name, data.split, data.domain) == ("coco", "test", "photo")
    assert "CC BY 4.0" in data.licence
    assert "1405.0312" in data.citation
    assert len(resolve("coco", "restval", coco_root).samples) == 1
    assert len(resolve("coco", None, coco_root, limit=2).samples) == 2
    assert resolve("coco", None, coco_root, limit=2).revision == data.revision


def test_coco_folds(coco_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"fold 1k-0 needs 1,000 images, the split has 3"):
        resolve("coco:1k-0", None, coco_root)
    monkeypatch.setattr(coco, "_FOLD", 1)
    folds = [resolve(f"coco:1k-{k}", None, coco_root) for k in range(3)]
    assert [fold.samples[0].id for fold in folds] == ["1", "2", "3"]
    assert folds[1].name == "coco:1k-1"


def test_coco_names(coco_root: Path) -> None:
    with pytest.raises(UnknownNameError, match="variant of coco '1k-5'"):
        resolve("coco:1k-5", None, coco_root)
    with pytest.raises(UnknownNameError, match=r"split of coco 'tset'. Did you mean 'test'"):
        resolve("coco", "tset", coco_root)
    with pytest.raises(DataError, match="no such folder"):
        resolve("coco", None, coco_root / "nowhere")
    with pytest.raises(DataError, match=r"contains none of: dataset_coco\.json"):
        resolve("coco", None, coco_root / "val2014")


def test_positives_of_both_directions(tmp_path: Path) -> None:
    entries = [Entry(str(n), "", ("a", "b"), "test", (10 * n, 10 * n + 1)) for n in (4, 5)]
    write_json(tmp_path / "eccv_caption_to_image.json", {"40": [5, 4, 99], "51": ["5"]})
    write_json(tmp_path / "eccv_image_to_caption.json", {"4": [40, 50, 777]})
    relevance = human_positives("eccv", entries, tmp_path)
    assert [list(images) for images in relevance.caption_images] == [[0, 1], [], [], [1]]
    assert relevance.image_captions is not None
    assert [list(captions) for captions in relevance.image_captions] == [[0, 2], []]
    assert relevance.image_totals == (3, 0)
    first = human_positives("eccv", entries, tmp_path, limit=1)
    assert [list(images) for images in first.caption_images] == [[0], []]
    assert first.image_totals == (2,)  # 777 is nobody's, 50 is of the image that is left out


def test_positives_need_caption_numbers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sentid"):
        human_positives("cxc", [Entry("4", "", ("a", "b"))], tmp_path)


def test_positives_are_what_the_task_takes(coco_root: Path, tmp_path: Path) -> None:
    data = resolve("coco", None, coco_root)
    write_json(tmp_path / "cxc_caption_to_image.json", {"10": [1, 3]})
    write_json(tmp_path / "cxc_image_to_caption.json", {"1": [10], "3": [10, 31]})
    _, entries = coco.read_split(coco_root, "test")
    taken = true_captions(replace(data, relevance=human_positives("cxc", entries, tmp_path)))
    assert [list(captions) for captions in taken] == [[0], [], [0, 11]]


def test_positives_of_the_package() -> None:
    package = pytest.importorskip("eccv_caption", reason="eccv_caption is not installed")
    folder = Path(package.__file__).parent / "data"
    own = json.loads((folder / "original_image_to_caption.json").read_text(encoding="utf-8"))
    entries = [Entry(n, "", ("",) * len(cs), "test", tuple(map(int, cs))) for n, cs in own.items()]
    sizes = {}
    for kind in ("cxc", "eccv"):
        relevance = human_positives(kind, entries)
        sizes[kind] = (sum(map(len, relevance.caption_images)), sum(map(len, relevance.image_captions or ())))
    assert sizes == {"cxc": (35585, 35585), "eccv": (11279, 22548)}


def test_coco_positives_without_the_package(coco_root: Path) -> None:
    try:
        import eccv_caption  # noqa: F401
    except ImportError:
        with pytest.raises(DataError, match=r"pip install 'mafs-bench\[eccv\]'"):
            resolve("coco:eccv", None, coco_root)
    else:
        assert resolve("coco:eccv", None, coco_root).relevance is not None


def test_flickr30k_from_token_file_and_list(tmp_path: Path) -> None:
    lines = [f"{n}.jpg#{k}\tcaption {k}" for n in (1, 2, 3) for k in range(5)]
    (tmp_path / "results_20130124.token").write_text("\n".join(lines), encoding="utf-8")
    for n in (1, 2, 3):
        picture(tmp_path / "flickr30k-images" / f"{n}.jpg")
    with pytest.raises(DataError, match=r"test\.txt \(a list of images\) is missing"):
        resolve("flickr30k", None, tmp_path)
    (tmp_path / "test.txt").write_text("3\n1.jpg\n", encoding="utf-8")
    assert [sample.id for sample in resolve("flickr30k", None, tmp_path).samples] == ["1.jpg", "3.jpg"]
    assert len(resolve("flickr30k", "all", tmp_path).samples) == 3
    (tmp_path / "test.txt").write_text("3\n7\n", encoding="utf-8")
    with pytest.raises(DataError, match="lists 2 images, of which 1 have captions"):
        resolve("flickr30k", None, tmp_path)
    with pytest.raises(UnknownNameError, match="variant of flickr30k"):
        resolve("flickr30k:1k", None, tmp_path)


def vqa_files(root: Path, split: str, answers: dict[int, str]) -> None:
    questions = [{"image_id": n // 10, "question_id": n, "question": f"what {n}?"} for n in answers]
    annotations = [
        {
            "question_id": n,
            "image_id": n // 10,
            "question_type": "what",
            "answer_type": "other",
            "multiple_choice_answer": answer,
            "answers": [{"answer": answer, "answer_id": k} for k in range(10)],
        }
        for n, answer in answers.items()
    ]
    write_json(root / f"v2_OpenEnded_mscoco_{split}2014_questions.json", {"questions": questions})
    write_json(root / f"v2_mscoco_{split}2014_annotations.json", {"annotations": annotations})


def test_vqav2_groups_questions_by_image(tmp_path: Path) -> None:
    vqa_files(tmp_path, "val", {11: "cat", 20: "dog", 12: "dog"})
    for n in (1, 2):
        picture(tmp_path / "val2014" / f"COCO_val2014_{n:012d}.jpg")
    data = resolve("vqav2", None, tmp_path)
    assert data.split == "val"
    assert [[q.id for q in sample.questions] for sample in data.samples] == [["11", "12"], ["20"]]
    assert data.samples[0].questions[0].answers == ("cat",) * 10
    assert data.answer_vocabulary == ("dog", "cat")
    assert data.notes == (
        "vqav2: the 2 candidate answers are the most frequent of val, which favours models that rank them",
    )
    vqa_files(tmp_path, "train", {70: "zebra"})
    assert resolve("vqav2", None, tmp_path).answer_vocabulary == ("zebra",)
    assert "most frequent of train" in resolve("vqav2", None, tmp_path).notes[0]
    assert resolve("vqav2", None, tmp_path).revision != data.revision


def test_vqav2_broken(tmp_path: Path) -> None:
    vqa_files(tmp_path, "val", {11: "cat"})
    with pytest.raises(DataError, match=r"1 of 1 images .*COCO_val2014_000000000001\.jpg"):
        resolve("vqav2", None, tmp_path)
    with pytest.raises(UnknownNameError, match="the test answers are not public"):
        resolve("vqav2", "test", tmp_path)
    write_json(tmp_path / "v2_mscoco_val2014_annotations.json", {"annotations": []})
    with pytest.raises(DataError, match="lacks the answers of 1 questions: 11"):
        resolve("vqav2", None, tmp_path)
    write_json(tmp_path / "v2_mscoco_val2014_annotations.json", {"annotations": [{"question_id": 11}]})
    with pytest.raises(DataError, match="annotation 0: 'multiple_choice_answer' is missing"):
        resolve("vqav2", None, tmp_path)
    write_json(tmp_path / "v2_OpenEnded_mscoco_val2014_questions.json", {"questions": [{"question_id": 11}]})
    with pytest.raises(DataError, match="is missing"):
        resolve("vqav2", None, tmp_path)


# Parquet as the hub gives it


def parquet(
    path: Path, columns: dict[str, list[object]], monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    import datasets

    def encoded(level: int) -> dict[str, object]:
        buffer = io.BytesIO()
        PIL.Image.fromarray(np.full((32, 32, 3), level, dtype=np.uint8)).save(buffer, "PNG")
        return {"bytes": buffer.getvalue(), "path": None}

    rows = len(next(iter(columns.values())))
    table = datasets.Dataset.from_dict({"image": [encoded(n) for n in range(rows)], **columns})
    table.cast_column("image", datasets.Image()).to_parquet(path)
    monkeypatch.setattr(HubTable, "url", property(lambda self: str(path)))


def test_coco_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"caption": [["one ", "two"], ["three"]], "cocoid": [42, 43]}
    parquet(tmp_path / "coco.parquet", columns, monkeypatch, coco)
    data = coco.load("", "test")
    assert [(sample.id, sample.captions) for sample in data.samples] == [
        ("42", ("one", "two")),
        ("43", ("three",)),
    ]
    assert data.samples[1].image.load()[0, 0, 0] == 1
    assert data.revision == coco.HUB.revision
    assert len(coco.HUB.commit) == 40
    assert len(coco.load("", "test", limit=1).samples) == 1
    with pytest.raises(DataError, match="5k test only"):
        coco.load("1k-0", "test")


def test_flickr30k_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "flickr.parquet", {"text": [["one"], ["two"]]}, monkeypatch, flickr30k)
    data = flickr30k.load("", "test")
    assert [sample.captions for sample in data.samples] == [("one",), ("two",)]
    assert data.samples[1].image.load().shape == (32, 32, 3)
    assert len(flickr30k.load("", "test", limit=1).samples) == 1


def test_vqav2_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "question_id": [1, 2, 3],
        "image_id": [7, 8, 7],
        "question": ["a?", "b?", "c?"],
        "question_type": ["x"] * 3,
        "answer_type": ["other"] * 3,
        "multiple_choice_answer": ["red", "blue", "red"],
        "answers": [[{"answer": "red", "answer_confidence": "yes", "answer_id": 1}]] * 3,
    }
    parquet(tmp_path / "vqa.parquet", columns, monkeypatch, vqav2)
    data = vqav2.load("", "val")
    assert [[q.id for q in sample.questions] for sample in data.samples] == [["1", "3"], ["2"]]
    assert data.answer_vocabulary == ("red", "blue")
    assert data.samples[1].image.load()[0, 0, 0] == 1


def test_what_the_hub_cannot_give_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubTable, "url", property(lambda self: "/nowhere/at/all.parquet"))
    with pytest.raises(DataError, match=r"cannot be read .*without the hub: --data-root DIR") as raised:
        flickr30k.load("", "test")
    assert "\n" not in str(raised.value)


# What is there


def test_check_counts_and_names_what_is_missing(coco_root: Path) -> None:
    found = {one.split: one for one in check("coco", coco_root)}
    assert found["test"].complete
    assert (found["test"].images, found["test"].expected, found["test"].texts) == (3, 5000, 15)
    assert found["val2017"].absent is not None
    (coco_root / "val2017" / "000000000003.jpg").unlink()
    (coco_root / "val2014" / "COCO_val2014_000000000001.jpg").write_bytes(b"\xff\xd8 nothing")
    test = {one.split: one for one in check("coco", coco_root, decode_all=True)}["test"]
    assert test.missing == ("val2014/COCO_val2014_000000000003.jpg",)
    assert len(test.broken) == 1
    assert "1 images missing" in test.describe()
    assert "1 not readable" in test.describe()


def test_check_on_the_command_line(coco_root: Path) -> None:
    result = CliRunner().invoke(app, ["data", "check", "coco", "--data-root", str(coco_root)])
    assert result.exit_code == 0
    assert "test: 3 of 5,000 images, 15 texts (dataset_coco.json); all images found" in result.stdout
    (coco_root / "val2017" / "000000000003.jpg").unlink()
    result = CliRunner().invoke(app, ["data", "check", "coco", "--data-root", str(coco_root)])
    assert isinstance(result.exception, DataError)
    assert "coco is not complete: test" in str(result.exception)


def test_check_refuses(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'coco'"):
        check("cocco", tmp_path)
    with pytest.raises(DataError, match="give the folder with --data-root"):
        check("coco", None)
    with pytest.raises(DataError, match="no split found"):
        check("vqav2", tmp_path)


@needs_photos
@pytest.mark.parametrize(
    ("name", "split", "folder", "images", "texts"),
    [
        ("coco", "test", "coco-mini", 148, 740),
        ("coco", "train", "coco-mini", 118, 590),
        ("coco", "val2017", "coco-mini", 148, 740),
        ("flickr30k", "test", "flickr8k-mini", 113, 565),
        ("vqav2", "train", "vqav2-mini", 37, 56),
    ],
)
def test_real_photos(name: str, split: str, folder: str, images: int, texts: int) -> None:
    data = resolve(name, split, SHARED / folder)
    found = sum(len(sample.captions) + len(sample.questions) for sample in data.samples)
    assert (len(data.samples), found) == (images, texts)
    assert data.samples[0].image.load().ndim == 3
    checked = {one.split: one for one in check(name, SHARED / folder)}[split]
    assert (checked.images, checked.texts, checked.complete) == (images, texts, True)
