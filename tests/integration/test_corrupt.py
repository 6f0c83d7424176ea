"""``mafs-bench corrupt``: the files hold what a run makes on the fly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import PairItem
from mafs_bench.corruptions.engine import corrupt_image, corrupt_text, plan_pairs
from mafs_bench.datasets.images import decode
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import StoreError, UsageError
from mafs_bench.runs.export import Export, content_hash, export
from mafs_bench.tasks.base import caption_pairs
from tests.support.toy import TOY_ADAPTER, write_toy_folder

SUITE = suites.load("core@1")
DATASET = resolve("scenes", None, None, 3)
CHOSEN = "gaussian_noise,keyboard,passive,pair_shuffle"
SEED = 5


def make(out: Path, **changes: object) -> Export:
    values = {
        "dataset": DATASET,
        "suite": SUITE,
        "corruptions": SUITE.select(CHOSEN),
        "severities": (1, 4),
        "seed": SEED,
        "out": out,
    }
    return Export(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    out = tmp_path_factory.mktemp("corrupted")
    return out, export(make(out))


def test_a_folder_of_images_alone(tmp_path: Path) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    for n in range(3):
        (root / f"day {n % 2}").mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full((40, 60, 3), 50 * n, np.uint8)).save(
            root / f"day {n % 2}" / f"IMG_{n}.JPG"
        )
    options = ["--dataset", str(root), "--severity", "1,3", "--workers", "0", "--out", str(out)]
    done = CliRunner().invoke(app, ["corrupt", *options, "--corruption", "all"])
    assert isinstance(done.exception, UsageError)
    assert "photos has no texts" in str(done.exception)
    done = CliRunner().invoke(app, ["corrupt", *options, "--suite", "core@1", "--corruption", "contrast,fog"])
    assert done.exception is None
    assert len(list(out.rglob("*.png"))) == 2 * 2 * 3
    again = resolve(str(out / "fog" / "3"))
    assert [sample.id for sample in again.samples] == [
        "day 0/IMG_0.JPG",
        "day 0/IMG_2.JPG",
        "day 1/IMG_1.JPG",
    ]
    clean = resolve(str(root)).samples[2]
    (fog,) = corrupt_image(clean.image.load(), SUITE.corruptions["fog"], (3,), seed=0, sample_id=clean.id)
    np.testing.assert_array_equal(again.samples[2].image.load(), fog)
    sheet = tmp_path / "sheet.png"
    done = CliRunner().invoke(
        app, ["preview", "--image", str(root), "--corruption", "contrast", "--out", str(sheet)]
    )
    assert done.exception is None
    assert sheet.is_file()


def test_questions_can_be_read_again(written: tuple[Path, dict[str, str]]) -> None:
    out, _ = written
    for folder, key in ((out / "gaussian_noise" / "1", ""), (out / "keyboard" / "4", "keyboard")):
        for sample, own in zip(resolve(str(folder)).samples, DATASET.samples, strict=True):
            for question, before in zip(sample.questions, own.questions, strict=True):
                text = before.text
                if key:
                    made = corrupt_text(text, SUITE.corruptions[key], (4,), seed=SEED, sample_id=before.id)
                    text = made[0] or text
                assert (question.id, question.text, question.answers) == (before.id, text, before.answers)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pictures_are_those_of_the_engine(written: tuple[Path, dict[str, str]]) -> None:
    out, files = written
    corruption = SUITE.corruptions["gaussian_noise"]
    for sample in DATASET.samples:
        wanted = corrupt_image(sample.image.load(), corruption, (1, 4), seed=SEED, sample_id=sample.id)
        for severity, image in zip((1, 4), wanted, strict=True):
            name = f"gaussian_noise/{severity}/{sample.id}.png"
            np.testing.assert_array_equal(decode(out / name), image)
            assert files[name] == content_hash(image)


def test_texts_are_those_of_the_engine_and_say_what_is_not_applicable(
    written: tuple[Path, dict[str, str]],
) -> None:
    out, _ = written
    for name in ("keyboard", "passive"):
        records = lines(out / name / "4" / "captions.jsonl")
        for sample, record in zip(DATASET.samples, records, strict=True):
            for k, caption in enumerate(sample.captions):
                made = corrupt_text(
                    caption, SUITE.corruptions[name], (4,), seed=SEED, sample_id=sample.caption_id(k)
                )[0]
                assert record["captions"][k] == (caption if made is None else made)
                assert (k in record["not_applicable"]) == (made is None)


def test_questions_are_written_beside_the_captions(written: tuple[Path, dict[str, str]]) -> None:
    out, _ = written
    records = lines(out / "keyboard" / "4" / "questions.ndjson")
    asked = [question for sample in DATASET.samples for question in sample.questions]
    assert [record["id"] for record in records] == [question.id for question in asked]
    wanted = [
        corrupt_text(q.text, SUITE.corruptions["keyboard"], (4,), seed=SEED, sample_id=q.id)[0] for q in asked
    ]
    assert [record["question"] for record in records] == wanted


def test_pairs_record_the_permutation(written: tuple[Path, dict[str, str]]) -> None:
    out, _ = written
    items = [PairItem(p.id, DATASET.samples[p.sample].group, p.text) for p in caption_pairs(DATASET)]
    plan = plan_pairs(items, SUITE.corruptions["pair_shuffle"], 4, seed=SEED)
    records = lines(out / "pair_shuffle" / "4" / "pairs.jsonl")
    assert [record["image_from"] for record in records] == [items[i].id for i in plan.image_from]


@pytest.mark.parametrize("cell", ["gaussian_noise/4", "keyboard/4", "clean"])
def test_a_cell_is_a_data_set_that_loads(written: tuple[Path, dict[str, str]], cell: str) -> None:
    out, _ = written
    loaded = resolve(str(out / cell))
    assert [sample.id for sample in loaded.samples] == [sample.id for sample in DATASET.samples]
    if cell != "gaussian_noise/4":
        for there, here in zip(loaded.samples, DATASET.samples, strict=True):
            np.testing.assert_array_equal(there.image.load(), here.image.load())


def test_the_manifest_lists_every_file_with_its_hash(written: tuple[Path, dict[str, str]]) -> None:
    out, files = written
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["suite_hash"] == SUITE.digest
    assert manifest["seed"] == SEED
    assert manifest["files"] == files
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there == {*files, "manifest.json"}
    for name, digest in files.items():
        if not name.endswith(".png"):
            assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_an_interrupted_export_goes_on_and_keeps_what_is_there(tmp_path: Path) -> None:
    image_only = {"corruptions": SUITE.select("gaussian_noise")}
    whole = export(make(tmp_path, **image_only))
    kept = tmp_path / "gaussian_noise" / "1" / f"{DATASET.samples[0].id}.png"
    lost = tmp_path / "gaussian_noise" / "4" / f"{DATASET.samples[1].id}.png"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    assert export(make(tmp_path, **image_only)) == whole
    assert lost.exists()
    assert kept.stat().st_mtime_ns == before


def test_processes_write_the_same(tmp_path: Path, written: tuple[Path, dict[str, str]]) -> None:
    made = export(make(tmp_path, corruptions=SUITE.select("gaussian_noise"), workers=1))
    assert made.items() <= written[1].items()


def test_another_export_in_the_folder_is_refused(tmp_path: Path) -> None:
    export(make(tmp_path, corruptions=SUITE.select("keyboard")))
    with pytest.raises(StoreError, match="was written with seed = 5, asked for 6"):
        export(make(tmp_path, corruptions=SUITE.select("keyboard"), seed=6))


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="contains other files"):
        export(make(tmp_path))


def test_the_command_line(tmp_path: Path) -> None:
    out = str(tmp_path / "files")
    arguments = ["corrupt", "--corruption", "ocr", "--severity", "2", "--limit", "2", "--out", out]
    done = CliRunner().invoke(app, [*arguments, "--workers", "0"])
    assert done.exit_code == 0, done.output
    assert "5 files" in done.output
    assert len(lines(tmp_path / "files" / "ocr" / "2" / "captions.jsonl")) == 2


@pytest.mark.parametrize("name", ["gaussian_noise", "keyboard"])
def test_a_run_over_the_files_gives_the_scores_of_a_run_on_the_fly(tmp_path: Path, name: str) -> None:
    write_toy_folder(tmp_path / "toy")
    toy, files = str(tmp_path / "toy"), str(tmp_path / "files")
    run = CliRunner().invoke
    exported = run(
        app, ["corrupt", "--dataset", toy, "--corruption", name, "--severity", "4", "--out", files]
    )
    assert exported.exit_code == 0, exported.output
    scores = []
    for dataset, corruption in ((toy, name), (f"{files}/{name}/4", "clean")):
        out = tmp_path / corruption
        options = ["--severity", "4", "--task", "retrieval", "--out", str(out), "--workers", "0", "--quiet"]
        done = run(
            app, ["run", "--model", TOY_ADAPTER, "--dataset", dataset, "--corruption", corruption, *options]
        )
        assert done.exit_code == 0, done.output
        cells = json.loads((out / "results.json").read_text())
        scores.append(
            next(c["metrics"] for c in cells if c["corruption"] == (name if dataset == toy else None))
        )
    assert scores[0] == scores[1]
