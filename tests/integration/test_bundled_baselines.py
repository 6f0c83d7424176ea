"""The bundled ALBEF and BLIP do what their cards say."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import mafs_bench
from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import load
from mafs_bench.corruptions.suite import CLEAN_ONLY
from mafs_bench.recipes.baseline_measure import IMAGES, SPLIT, Silent
from mafs_bench.report import summary
from mafs_bench.runs.execute import Resources, execute
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.store import read_run

WEIGHTS = Path(mafs_bench.__file__).parent / "weights"
MODELS = ("albef", "blip")
LARGEST = 15_000_000


def card(model):
    return json.loads((WEIGHTS / f"{model}_scenes" / "card.json").read_text())


def measured(model, task, metric, limit, folder):
    plan = make_plan(RunRequest(model, CLEAN_ONLY, split=SPLIT, limit=limit, tasks=(task,)))
    finished = execute(plan, Resources(), folder / f"{model}-{task}", Silent())
    return finished.results[0].metrics[metric].value


@pytest.mark.parametrize("model", MODELS)
def test_matching_is_what_the_card_says(model, tmp_path):
    assert measured(model, "matching", "auroc", IMAGES, tmp_path) == pytest.approx(
        card(model)["measured"]["matching auroc"], abs=0.005
    )


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_about_as_good_as_the_card_says(model, tmp_path):
    assert measured(model, "vqa", "accuracy", 24, tmp_path) == pytest.approx(
        card(model)["measured"]["vqa accuracy"], abs=0.12
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_card_tells_a_model_that_is_better_than_chance_and_how_it_was_made(model):
    told = card(model)
    numbers = told["measured"]
    assert numbers["matching auroc"] > 0.637
    assert numbers["retrieval t2i_r10"] > 5 * 10 / IMAGES
    assert numbers["vqa accuracy"] > 0.3
    assert told["command"].startswith(f"mafs-bench train {model} --")
    assert numbers["command"].startswith(f"mafs-bench run --model {model} ")
    assert {"model", "purpose", "licence", "data", "seed", "seconds", "budget"} <= told.keys()


@pytest.mark.parametrize("model", MODELS)
def test_the_files_are_small_and_nothing_else_lies_there(model):
    files = [file for file in (WEIGHTS / f"{model}_scenes").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LARGEST
    assert {file.suffix for file in files} <= {".json", ".pth", ".safetensors", ".txt"}


@pytest.mark.parametrize("model", MODELS)
def test_on_photos_title_and_record_name_the_public_checkpoint(model, tmp_path):
    for number, colour in enumerate(("teal", "red", "white", "black")):
        PIL.Image.new("RGB", (40, 30), colour).save(tmp_path / f"{number}.png")
    rows = [{"image": f"{k}.png", "captions": [f"a wall, number {k}"]} for k in range(4)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    request = RunRequest(model, CLEAN_ONLY, dataset=str(tmp_path), tasks=("matching",))
    out = tmp_path / "run"
    execute(make_plan(request), Resources(), out, Silent())
    run = read_run(out)
    said = f"{model} was made for scenes, and {tmp_path.name} is of the domain photo; made for it is {model}:"
    assert said in summary._title(run)
    assert any(note.startswith(said) for note in run.spec.notes)


@pytest.mark.parametrize("model", MODELS)
def test_texts_longer_than_the_model_reads_are_cut(model):
    """Damaged words are spelt by letters: more pieces than any clean question has."""
    adapter = load(model, Settings())
    adapter.prepare_answers(["yes", "no"])
    image = np.full((64, 64, 3), 128, dtype=np.uint8)
    long = "xqzvkjw " * 40 + "?"
    answers = adapter.answer([image, image], [long, "x" * 10_000], np.ones((2, 2), dtype=bool))
    assert {answer.text for answer in answers} <= {"yes", "no"}
    assert len(adapter.encode_texts([long, "x" * 10_000]).vectors) == 2
