"""A user's own data: the four formats, their precedence, and every way in which they can be broken."""

import json
from pathlib import Path

import PIL.Image
import pytest

from mafs_bench.datasets.folder import load_folder
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import DataError, UnknownNameError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")


def picture(path: Path, size: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (size, size), "teal").save(path)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def karpathy(*images: tuple[str, str]) -> dict[str, object]:
    return {
        "dataset": "mine",
        "images": [
            {"filename": name, "split": split, "sentences": [{"raw": f"first of {name}"}, {"raw": "second "}]}
            for name, split in images
        ],
    }


def coco(*names: str) -> dict[str, object]:
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [{"image_id": i, "id": i, "caption": f"a {name}\n"} for i, name in enumerate(names)],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        picture(tmp_path / "images" / name)
    return tmp_path


def test_karpathy_splits(folder: Path) -> None:
    write_json(
        folder / "dataset_mine.json", karpathy(("a.jpg", "train"), ("b.jpg", "test"), ("c.jpg", "test"))
    )
    data = load_folder(folder, None)
    assert [sample.id for sample in data.samples] == ["b.jpg", "c.jpg"]
    assert data.samples[0].captions == ("first of b.jpg", "second")
    assert data.samples[0].image.load().shape == (32, 32, 3)
    assert (data.name, data.split) == (folder.name, "test")
    assert len(load_folder(folder, "train").samples) == 1
    assert len(load_folder(folder, None, 1).samples) == 1


def test_karpathy_filepath_and_2017_names(tmp_path: Path) -> None:
    content = karpathy(("COCO_val2014_000000000042.jpg", "test"))
    content["images"][0] |= {"filepath": "val2014", "cocoid": 42}  # type: ignore[index]
    write_json(tmp_path / "dataset_coco.json", content)
    picture(tmp_path / "val2017" / "000000000042.jpg")
    assert load_folder(tmp_path, None).samples[0].image.name.endswith("val2017/000000000042.jpg")
    picture(tmp_path / "val2014" / "COCO_val2014_000000000042.jpg")
    data = load_folder(tmp_path, None)
    assert data.samples[0].image.name.endswith("val2014/COCO_val2014_000000000042.jpg")
    assert data.samples[0].id == "42"


def test_coco_captions(folder: Path) -> None:
    write_json(folder / "annotations" / "captions_val2017.json", coco("a.jpg", "b.jpg"))
    data = load_folder(folder, None)
    assert data.split == "val"
    assert [sample.captions for sample in data.samples] == [("a a.jpg",), ("a b.jpg",)]


def test_token_file(folder: Path) -> None:
    text = "a.jpg#0\tone\na.jpg#1\ttwo\n\nb.jpg#0\tthree\n"
    (folder / "results.token").write_text(text, encoding="utf-8")
    data = load_folder(folder, None)
    assert {sample.id: sample.captions for sample in data.samples} == {
        "a.jpg": ("one", "two"),
        "b.jpg": ("three",),
    }
    assert data.split == "all"


def test_jsonl_with_byte_order_mark(folder: Path) -> None:
    lines = [
        {"image": "images/a.jpg", "captions": ["one"]},
        {"image": "b.jpg", "captions": ["zwei", "drei ä"]},
    ]
    text = "\ufeff" + "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n"
    (folder / "mine.jsonl").write_text(text, encoding="utf-8")
    assert [sample.captions for sample in load_folder(folder, None).samples] == [("one",), ("zwei", "drei ä")]


def test_karpathy_goes_before_the_others_and_a_file_settles_it(folder: Path) -> None:
    write_json(folder / "dataset_mine.json", karpathy(("a.jpg", "test")))
    (folder / "mine.token").write_text("b.jpg#0\tone\n", encoding="utf-8")
    assert [sample.id for sample in load_folder(folder, None).samples] == ["a.jpg"]
    assert [sample.id for sample in load_folder(folder / "mine.token", None).samples] == ["b.jpg"]


def test_several_files_are_told_apart_by_the_split(folder: Path) -> None:
    write_json(folder / "annotations" / "captions_train2017.json", coco("a.jpg"))
    write_json(folder / "annotations" / "captions_val2017.json", coco("b.jpg"))
    assert load_folder(folder, "val").samples[0].captions == ("a b.jpg",)
    with pytest.raises(DataError, match=r"captions_train2017\.json, captions_val2017\.json.*'test'"):
        load_folder(folder, None)


def test_revision_follows_captions_and_images_but_not_the_limit(folder: Path) -> None:
    (folder / "mine.token").write_text("a.jpg#0\tone\nb.jpg#0\ttwo\n", encoding="utf-8")
    first = load_folder(folder, None).revision
    assert load_folder(folder, None, 1).revision == first
    picture(folder / "images" / "b.jpg", 64)
    second = load_folder(folder, None).revision
    (folder / "mine.token").write_text("a.jpg#0\tone\nb.jpg#0\ttwo!\n", encoding="utf-8")
    assert len({first, second, load_folder(folder, None).revision}) == 3


BROKEN = {
    "malformed": (
        "dataset_x.json",
        b'{"images": [\n {"filename": }]}',
        r"dataset_x\.json, line 2, column 15: malformed JSON",
    ),
    "truncated": ("dataset_x.json", b'{"images": [', "malformed JSON"),
    "not an object": ("dataset_x.json", b"[]", "'images' is missing"),
    "empty": ("dataset_x.json", b'{"images": []}', "lists no images"),
    "empty token file": ("x.token", b"\n", "lists no images"),
    "no file name": ("dataset_x.json", b'{"images": [{"split": "test"}]}', "image 0: 'filename' is missing"),
    "no sentences": (
        "dataset_x.json",
        b'{"images": [{"filename": "a.jpg", "split": "test", "sentences": []}]}',
        "1 of 1 images without a caption: a.jpg",
    ),
    "no split": (
        "dataset_x.json",
        b'{"images": [{"filename": "a.jpg", "sentences": [{"raw": "x"}]}]}',
        r"image 0 \(a\.jpg\): 'split' is missing",
    ),
    "other split": (
        "dataset_x.json",
        json.dumps(karpathy(("a.jpg", "dev"))).encode(),
        "no split 'test'; allowed: dev",
    ),
    "missing images": (
        "dataset_x.json",
        json.dumps(karpathy(*((f"no{i}.jpg", "test") for i in range(9)), ("a.jpg", "test"))).encode(),
        r"dataset_x\.json: 9 of 10 images missing below .*: no0\.jpg, no1\.jpg, no2\.jpg, …",
    ),
    "twice": (
        "dataset_x.json",
        json.dumps(karpathy(("a.jpg", "test"), ("a.jpg", "test"))).encode(),
        "more than once: a.jpg",
    ),
    "coco without captions": (
        "captions_x.json",
        b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}',
        "1 of 1 images without a caption",
    ),
    "coco orphans": (
        "captions_x.json",
        b'{"images": [], "annotations": [{"image_id": 7, "caption": "x"}]}',
        "captions of 1 images that are not listed: 7",
    ),
    "coco instances": (
        "captions_x.json",
        b'{"images": [], "annotations": [{"image_id": 7, "bbox": []}]}',
        "annotation 0: 'caption' is missing",
    ),
    "latin-1": (
        "x.token",
        "a.jpg#0\tok\nb.jpg#0\tcafé\n".encode("latin-1"),
        r"x\.token, line 2: not UTF-8 \(byte 0xe9\)",
    ),
    "utf-16": ("x.jsonl", '{"image": "a.jpg"}'.encode("utf-16"), "line 1: not UTF-8"),
    "token without tab": ("x.token", b"a.jpg#0 one\n", r"x\.token, line 1: must read"),
    "jsonl of another kind": (
        "x.jsonl",
        b'{"image": "a.jpg", "captions": "one"}\n',
        "line 1: 'captions' is str",
    ),
    "jsonl with numbers": ("x.jsonl", b'{"image": "a.jpg", "captions": [1]}\n', "must be a list of strings"),
    "jsonl broken line": (
        "x.jsonl",
        b'{"image": "a.jpg", "captions": ["x"]}\n{"ima\n',
        "line 2, column 2: malformed",
    ),
    "empty caption": (
        "x.jsonl",
        b'{"image": "a.jpg", "captions": ["x", " "]}\n',
        "1 of 1 images with an empty caption: a.jpg",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_annotations_are_one_line(folder: Path, case: str) -> None:
    name, content, message = BROKEN[case]
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        resolve(str(folder))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_file_without_splits_refuses_another(folder: Path) -> None:
    (folder / "mine.token").write_text("a.jpg#0\tone\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no splits: asked for 'val', allowed: 'all'"):
        load_folder(folder, "val")


def test_resolve_names_folders_and_what_is_neither(folder: Path) -> None:
    (folder / "mine.token").write_text("a.jpg#0\tone\n", encoding="utf-8")
    assert len(resolve(str(folder)).samples) == 1
    with pytest.raises(UnknownNameError, match="Did you mean 'scenes'"):
        resolve("scnes")
    with pytest.raises(DataError, match="no such folder"):
        resolve(str(folder / "nowhere"))


def test_resolve_takes_a_user_function(tmp_path: Path, folder: Path) -> None:
    (folder / "mine.token").write_text("a.jpg#0\tone\n", encoding="utf-8")
    source = (
        "from pathlib import Path\n"
        "from mafs_bench.datasets.folder import load_folder\n"
        "def load(variant, split, *, root=None, limit=None):\n"
        f"    return load_folder(Path({str(folder)!r}), None, limit)\n"
    )
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    assert resolve(f"{tmp_path / 'mine.py'}:load", limit=1).samples[0].captions == ("one",)


@needs_photos
@pytest.mark.parametrize(
    ("spec", "split", "images", "captions"),
    [
        ("coco-mini", None, 148, 740),
        ("coco-mini", "train", 118, 590),
        ("coco-mini/annotations/captions_val2017.json", None, 148, 740),
        ("flickr8k-mini", None, 113, 565),
        ("flickr8k-mini", "train", 753, 3765),
        ("flickr8k-mini/results.token", None, 866, 4330),
    ],
)
def test_real_photos(spec: str, split: str | None, images: int, captions: int) -> None:
    data = resolve(str(SHARED / spec), split)
    assert (len(data.samples), sum(len(sample.captions) for sample in data.samples)) == (images, captions)
    for sample in data.samples[:: images // 5]:
        assert sample.image.load().shape[2] == 3
