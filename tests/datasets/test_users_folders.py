"""Folders as users have them: Kaggle's tables, images alone, other systems' names, parts of a data set."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import PIL.Image
import pytest

from mafs_bench.datasets.dataset_check import check
from mafs_bench.datasets.local import UnusableImage
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset


def image(path: Path, colour: str = "teal") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (40, 40), colour).save(path)
    return path


def write_jsonl(path: Path, *records: object) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def captions(data: Dataset) -> dict[str, tuple[str, ...]]:
    return {sample.id: sample.captions for sample in data.samples}


# Formats


def test_kaggles_table_of_flickr30k_and_its_broken_line(tmp_path: Path) -> None:
    for name in ("1000092795.jpg", "2199200615.jpg"):
        image(tmp_path / "flickr30k_images" / name)
    (tmp_path / "results.csv").write_text(
        "image_name| comment_number| comment\n"
        "1000092795.jpg| 0| Two young guys with shaggy hair look at their hands , 3 | 4 of them .\n"
        "2199200615.jpg| 3| A dog runs on the grass .\n"
        "2199200615.jpg| 4   A dog runs across the grass .\n"
    )
    found = captions(resolve(str(tmp_path)))
    assert found == {
        "1000092795.jpg": ("Two young guys with shaggy hair look at their hands , 3 | 4 of them .",),
        "2199200615.jpg": ("A dog runs on the grass .", "A dog runs across the grass ."),
    }
    assert captions(resolve("flickr30k", "all", tmp_path)) == found


def test_kaggles_table_of_flickr8k(tmp_path: Path) -> None:
    for name in ("a_1.jpg", "b_2.jpg"):
        image(tmp_path / "Images" / name)
    (tmp_path / "captions.txt").write_bytes(
        b'image,caption\r\na_1.jpg,A child , in pink\r\na_1.jpg,"A dog, ""Rex"", sits"\r\nb_2.jpg,Two men\r\n'
    )
    assert captions(resolve(str(tmp_path))) == {
        "a_1.jpg": ("A child , in pink", 'A dog, "Rex", sits'),
        "b_2.jpg": ("Two men",),
    }


@pytest.mark.parametrize("below", [".", "Flickr8k_text"])
def test_flickr8ks_token_file_names_an_image_that_was_never_published(tmp_path: Path, below: str) -> None:
    image(tmp_path / "Flicker8k_Dataset" / "2258277193_586949ec62.jpg")
    text = "2258277193_586949ec62.jpg.1#0\tSome people\n2258277193_586949ec62.jpg#0\tPeople waiting .\n"
    texts = tmp_path / below
    texts.mkdir(exist_ok=True)
    (texts / "Flickr8k.token.txt").write_text(text)
    (texts / "Flickr8k.lemma.token.txt").write_text(text)
    (texts / "readme.txt").write_text("hello")
    data = resolve(str(tmp_path))
    assert captions(data) == {"2258277193_586949ec62.jpg": ("People waiting .",)}
    assert any("2258277193_586949ec62.jpg.1" in note for note in data.notes)


@pytest.mark.parametrize(("name", "raw", "message"), [
    ("results.csv", b"image_name| comment_number| comment\na.jpg 0 no bar\n", "line 2: must read 'image.jpg| 0"),
    ("captions.txt", b"image,caption\na.jpg\n", "line 2: must read 'image.jpg,caption'"),
    ("captions.txt", b"hello\n", "line 1: must read 'image.jpg#0<TAB>caption', or a table"),
])  # fmt: skip
def test_a_broken_table_is_one_line(tmp_path: Path, name: str, raw: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(DataError) as raised:
        resolve(str(tmp_path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_questions_in_jsonl(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    questions = [
        {"question": "What colour?", "answers": ["teal"] * 7 + ["green"] * 3},
        {"id": "q7", "question": "Is it day?", "answers": ["yes"]},
    ]
    write_jsonl(tmp_path / "mine.jsonl", {"image": "a.jpg", "questions": questions})
    data = resolve(str(tmp_path))
    assert [(q.id, q.text, len(q.answers)) for q in data.samples[0].questions] == [
        ("a.jpg?0", "What colour?", 10),
        ("q7", "Is it day?", 1),
    ]
    assert data.answer_vocabulary == ("teal", "yes")
    assert "2 candidate answers are those of its own questions" in data.notes[0]
    write_jsonl(tmp_path / "mine.jsonl", {"image": "a.jpg", "questions": [{"question": "Why?"}]})
    with pytest.raises(DataError, match=r"line 1, question 0: 'answers' is missing"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0c", "\x0b", "\x1e"])
@pytest.mark.parametrize("kind", ["mine.token", "captions.txt", "results.csv", "mine.jsonl"])
def test_only_newlines_end_a_line(tmp_path: Path, kind: str, character: str) -> None:
    image(tmp_path / "a.jpg")
    caption = f"one{character}two"
    lines = {
        "mine.token": [f"a.jpg#0\t{caption}"],
        "captions.txt": ["image,caption", f"a.jpg,{caption}"],
        "results.csv": ["image_name| comment_number| comment", f"a.jpg| 0| {caption}"],
        "mine.jsonl": [json.dumps({"image": "a.jpg", "captions": [caption]}, ensure_ascii=False)]
        if character in "\u2028\u2029\x85"  # the others are escaped in JSON
        else [json.dumps({"image": "a.jpg", "captions": [caption]})],
    }[kind]
    (tmp_path / kind).write_bytes("\r\n".join([*lines, ""]).encode())
    assert captions(resolve(str(tmp_path))) == {"a.jpg": (caption,)}


# Images alone


def test_a_folder_of_images(tmp_path: Path) -> None:
    for name in ("b.JPG", "trip/a.png", "trip/._a.png", "__MACOSX/trip/a.png", ".hidden/c.jpg"):
        image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no annotations")
    data = resolve(str(tmp_path))
    assert captions(data) == {"b.JPG": (), "trip/a.png": ()}
    assert data.split == "all"
    assert check(str(tmp_path), None)[0].complete
    with pytest.raises(DataError, match="has no splits"):
        resolve(str(tmp_path), "test")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"contains no annotation file .* and no images"):
        resolve(str(tmp_path))


# Names


def test_hidden_files_are_no_annotations(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    (tmp_path / "mine.token").write_text("a.jpg#0\tone\n")
    (tmp_path / "._mine.token").write_bytes(b"\0\5\x16\7Mac OS X")
    assert captions(resolve(str(tmp_path))) == {"a.jpg": ("one",)}


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("listed", ["NFC", "NFD"])
def test_both_forms_of_unicode(tmp_path: Path, stored: str, listed: str) -> None:
    name = "Straße/Café Zürich.jpg"
    image(tmp_path / unicodedata.normalize(stored, name))
    (tmp_path / "mine.token").write_text(f"{unicodedata.normalize(listed, name)}#0\tone\n", encoding="utf-8")
    assert resolve(str(tmp_path)).samples[0].image.load().shape == (40, 40, 3)


@pytest.mark.parametrize(("listed", "hint"), [
    ("a.jpg", "; found a.JPG"),
    ("images\\a.JPG", "; folders are separated by '/': found images/a.JPG"),
    ("other/a.JPG", "; found the same name at "),
    ("http://example.org/a.JPG", "; it is a URL: download it and give its path"),
    ("b.jpg", ""),
])  # fmt: skip
def test_a_missing_image_is_missing_and_the_near_one_is_named(tmp_path: Path, listed: str, hint: str) -> None:
    image(tmp_path / "images" / "a.JPG")
    write_jsonl(tmp_path / "mine.jsonl", {"image": listed, "captions": ["one"]})
    with pytest.raises(DataError) as raised:
        resolve(str(tmp_path))
    assert f"1 of 1 images missing below {tmp_path}: {listed}{hint}" in str(raised.value)


def test_the_file_of_the_same_name_elsewhere_is_not_taken(tmp_path: Path) -> None:
    image(tmp_path / "images" / "000000000042.jpg")
    write_jsonl(tmp_path / "mine.jsonl", {"image": "cats/000000000042.jpg", "captions": ["one"]})
    with pytest.raises(DataError, match=r"missing below .*: cats/000000000042\.jpg; found the same name"):
        resolve(str(tmp_path))


def test_two_entries_on_one_file_are_named(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.jpg")
    (tmp_path / "images" / "link.jpg").symlink_to("a.jpg")
    for other in ("images/a.jpg", "link.jpg"):
        (tmp_path / "mine.token").write_text(f"a.jpg#0\tone\n{other}#0\ttwo\n")
        with pytest.raises(DataError, match=rf"a\.jpg \(id a\.jpg\) and {other} .* are one file"):
            resolve(str(tmp_path))


@pytest.mark.parametrize(("record", "message"), [
    ({"image": "a.jpg", "id": "\ud800", "captions": ["one"]}, "lone surrogate"),
    ({"image": "a.jpg", "captions": ["one \udc11"]}, "lone surrogate"),
    ({"image": "a.jpg", "questions": [{"question": "\ud800?", "answers": ["x"]}]}, "lone surrogate"),
    ({"image": "a.jpg", "id": "a\0b", "captions": ["one"]}, "NUL"),
    ({"image": "a\0b.jpg", "captions": ["one"]}, "NUL"),
])  # fmt: skip
def test_what_no_file_can_hold_is_refused(tmp_path: Path, record: dict[str, object], message: str) -> None:
    image(tmp_path / "a.jpg")
    write_jsonl(tmp_path / "mine.jsonl", record)
    with pytest.raises(DataError, match=message) as raised:
        resolve(str(tmp_path))
    str(raised.value).encode()
    assert "\n" not in str(raised.value)


def test_ids_of_a_users_function_are_checked_too(tmp_path: Path) -> None:
    source = (
        "from mafs_bench.datasets.images import FileImage\n"
        "from mafs_bench.types import Dataset, Sample\n"
        "def load(variant, split, *, root=None, limit=None):\n"
        "    samples = (Sample(chr(0xdc80), 'g', FileImage('a.jpg'), ('one',)),)\n"
        "    return Dataset('mine', split, '', '', '', samples)\n"
    )
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(DataError, match=r"mine: .* lone surrogate"):
        resolve(f"{tmp_path / 'mine.py'}:load")


def test_a_file_name_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    try:
        (tmp_path / b"caf\xe9.jpg".decode("utf-8", "surrogateescape")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match="lone surrogate"):
        resolve(str(tmp_path))


# Parts of a data set


def coco_root(root: Path, there: int) -> Path:
    numbers = range(1, 9)
    content = {
        "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in numbers],
        "annotations": [{"image_id": n, "id": n, "caption": f"number {n}"} for n in numbers],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "captions_val2017.json").write_text(json.dumps(content))
    for n in range(1, there + 1):
        image(root / "val2017" / f"{n:012d}.jpg")
    return root


@pytest.mark.parametrize("named", [True, False])
def test_the_first_photos_of_coco_with_a_limit(tmp_path: Path, named: bool) -> None:
    coco_root(tmp_path, 4)
    spec, split, root = ("coco", "val2017", tmp_path) if named else (str(tmp_path), "val", None)
    data = resolve(spec, split, root, limit=4)
    assert [sample.id for sample in data.samples] == ["1", "2", "3", "4"]
    assert len(resolve(spec, split + "[1:3]", root).samples) == 2
    for limit, lacking in ((5, "1 of 5"), (None, "4 of 8")):
        with pytest.raises(DataError, match=rf"{lacking} images missing below .*: 000000000005\.jpg"):
            resolve(spec, split, root, limit=limit)
    image(tmp_path / "val2017" / f"{5:012d}.jpg")
    assert resolve(spec, split, root, limit=4).revision == data.revision  # while the rest is downloaded


def test_what_is_kept_for_a_run_that_skips(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    image(tmp_path / "b.jpg")
    image(tmp_path / "d.jpg")
    write_jsonl(
        tmp_path / "mine.jsonl",
        {"image": "a.jpg", "captions": ["one"]},
        {"image": "b.jpg", "captions": ["one", " "]},
        {"image": "c.jpg", "captions": ["one"]},
        {"image": "d.jpg", "captions": []},
    )
    images = [sample.image for sample in resolve(str(tmp_path), keep_unusable=True).samples]
    assert [isinstance(one, UnusableImage) for one in images] == [False, True, True, True]
    for one, reason in zip(
        images[1:], ("with an empty caption", "missing below", "without a caption"), strict=True
    ):
        with pytest.raises(DataError, match=rf"{one.name}: {reason}"):
            one.load()
    assert (
        "2 without a caption or with an empty one: b.jpg, d.jpg" in check(str(tmp_path), None)[0].describe()
    )
