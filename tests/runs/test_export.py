"""An export verifies what it finds on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import DataError, StoreError
from mafs_bench.runs import export as module
from mafs_bench.runs.export import Export, export
from tests.support.toy import write_toy_folder

SUITE = suites.load("core@1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_toy_folder(tmp_path / "toy", n=3)


def make(folder: Path, corruption: str = "brightness") -> Export:
    dataset = resolve(str(folder))
    return Export(dataset, SUITE, SUITE.select(corruption), (1, 4), 5, folder.parent / "out")


def test_a_file_that_no_manifest_lists_is_written_again(folder: Path) -> None:
    job = make(folder)
    whole = export(job)
    manifest, stray = job.out / "manifest.json", job.out / "brightness" / "1" / "001.png"
    stored = json.loads(manifest.read_text())
    del stored["files"]["brightness/1/001.png"]
    manifest.write_text(json.dumps(stored))
    right = stray.read_bytes()
    PIL.Image.new("RGB", (64, 48)).save(stray)
    assert export(job) == whole
    assert stray.read_bytes() == right


@pytest.mark.parametrize("name", ["brightness/4/002.png", "brightness/1/captions.jsonl", "clean/000.png"])
@pytest.mark.parametrize("damage", ["other", "cut"])
def test_a_listed_file_that_was_changed_is_refused_by_name(folder: Path, name: str, damage: str) -> None:
    job = make(folder, "brightness,keyboard")
    export(job)
    file = job.out / name
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:20])
    elif name.endswith(".png"):
        PIL.Image.fromarray(255 - np.asarray(PIL.Image.open(file))).save(file)
    else:
        file.write_text(file.read_text().replace("picture", "drawing"))
    changed = file.read_bytes()
    with pytest.raises(StoreError, match=r"is not what manifest\.json says"):
        export(job)
    assert file.read_bytes() == changed, "what the user changed is left alone"


def test_an_export_of_replaced_images_is_refused(folder: Path) -> None:
    image = folder / "images" / "001.bmp"
    PIL.Image.new("RGB", (40, 40), "red").save(image)
    (folder / "captions.jsonl").write_text('{"image": "001.bmp", "captions": ["a square"]}\n')
    export(make(folder))
    PIL.Image.new("RGB", (40, 40), "blue").save(image)
    with pytest.raises(StoreError, match=r"revision .* \(images or annotations were replaced\)"):
        export(make(folder))


def test_images_of_another_making_are_not_mixed_in(folder: Path) -> None:
    job = make(folder)
    export(job)
    manifest = job.out / "manifest.json"
    stored = json.loads(manifest.read_text())
    stored["files"]["brightness/1/001.png"] = "0" * 64
    manifest.write_text(json.dumps(stored))
    (job.out / "brightness" / "1" / "001.png").unlink()
    with pytest.raises(StoreError, match="which other packages wrote"):
        export(job)


def test_an_export_that_is_broken_off_lists_what_it_wrote(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, write = [], module.write_atomically

    def stop_at_the_third(path: Path, data: bytes) -> None:
        if path.suffix == ".png":
            made.append(path)
            if len(made) == 5:
                raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(module, "write_atomically", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        export(make(folder))
    files = json.loads((folder.parent / "out" / "manifest.json").read_text())["files"]
    assert sorted(files) == [f"brightness/{s}/{k:03d}.png" for s in (1, 4) for k in (0, 1)]
    before = {name: (folder.parent / "out" / name).stat().st_mtime_ns for name in files}
    assert len(export(make(folder))) == 8
    assert before == {name: (folder.parent / "out" / name).stat().st_mtime_ns for name in files}


def write_images(root: Path, *names: str) -> list[np.ndarray]:
    arrays = [np.full((40, 50, 3), 20 * n, dtype=np.uint8) for n in range(len(names))]
    for name, array in zip(names, arrays, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(array).save(root / name)
    return arrays


@pytest.mark.parametrize(("names", "written"), [
    (("a/x.png", "b/y.png"), ("x", "y")),
    (("a/x.png", "b/x.png", "b/y.png"), ("a/x", "b/x", "b/y")),
    (("a/x.png", "a/x.bmp"), ("a/x.png", "a/x.bmp")),
    (("a/x.png", "a/X.png"), None),
])  # fmt: skip
def test_equal_names_in_two_folders_stay_apart(
    tmp_path: Path, names: tuple[str, ...], written: tuple[str, ...] | None
) -> None:
    arrays = write_images(tmp_path / "photos", *names)
    lines = [{"image": name, "captions": [f"a photo of {name}"]} for name in names]
    (tmp_path / "photos" / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = make(tmp_path / "photos", "keyboard")
    if written is None:
        with pytest.raises(DataError, match=r"a/x\.png, a/X\.png would all be written as a/x\.png\.png"):
            export(job)
        return
    files = export(job)
    assert [f"clean/{stem}.png" in files for stem in written] == [True] * len(names)
    again = resolve(str(job.out / "clean"))
    assert [sample.id for sample in again.samples] == list(names)
    for sample, array in zip(again.samples, arrays, strict=True):
        assert np.array_equal(sample.image.load(), array)
    assert len(resolve(str(job.out / "keyboard" / "4")).samples) == len(names)


def test_an_id_does_not_leave_the_folder(tmp_path: Path) -> None:
    write_images(tmp_path, "photos/a.png")
    for n, name in enumerate(("../../a.png", "/etc/a.png", "..\\a.png", "c:\\a.png", "..")):
        line = {"id": name, "image": "a.png", "captions": ["one"]}
        (tmp_path / "photos" / "mine.jsonl").write_text(json.dumps(line) + "\n")
        job = replace(make(tmp_path / "photos"), out=tmp_path / f"out{n}")
        export(job)
        assert all((job.out / file).resolve().is_relative_to(job.out.resolve()) for file in export(job))
        assert all((job.out / file).is_file() for file in export(job))
