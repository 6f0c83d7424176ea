"""ALBEF and BLIP of random weights through every task on real photos: tables and records are whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.tasks import TASKS

SHARED = Path(__file__).parents[2].parent / "shared"
GOLDEN, DATA = SHARED / "golden", SHARED / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the golden models and photos are not here")

COCO = ("--dataset", str(DATA / "coco-mini"))
FLICKR = ("--dataset", str(DATA / "flickr8k-mini"))
VQA = ("--dataset", "vqav2", "--data-root", str(DATA / "vqav2-mini"), "--split", "train")
RANKED = ["fused-retrieval", "matching", "retrieval"]
BLIP, ALBEF = f"blip:{GOLDEN / 'blip_tiny'}", f"albef:{GOLDEN}"


def run(out: Path, model: str, *words: str) -> dict[str, dict[int, dict[str, dict[str, float | None]]]]:
    """The metrics by task and severity; the table has to be printed."""
    options = ["--model", model, "--corruption", "brightness", "--severity", "3", "--limit", "4"]
    done = CliRunner().invoke(app, ["run", *options, *words, "--out", str(out), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    found: dict[str, dict[int, dict[str, dict[str, float | None]]]] = {}
    for cell in json.loads((out / "results.json").read_text()):
        found.setdefault(cell["task"], {})[cell["severity"]] = cell["metrics"]
        assert f"\n{cell['task']}: " in done.stdout
    return found


@pytest.mark.parametrize(
    ("model", "words", "tasks"),
    [
        (BLIP, COCO, ["captioning", *RANKED]),
        (BLIP, FLICKR, ["captioning", *RANKED]),
        (BLIP, (*COCO, "--task", "context-captioning"), ["context-captioning"]),
        (BLIP, VQA, ["vqa"]),
        (ALBEF, COCO, RANKED),
        (ALBEF, FLICKR, RANKED),
        (ALBEF, VQA, ["vqa"]),
    ],
    ids=lambda value: "-".join(Path(word).name for word in value) if isinstance(value, tuple) else None,
)
def test_every_task_runs(model: str, words: tuple[str, ...], tasks: list[str], tmp_path: Path) -> None:
    found = run(tmp_path, model, *words)
    assert sorted(found) == sorted(tasks)
    for task, cells in found.items():
        assert sorted(cells) == [0, 3]
        for metrics in cells.values():
            primary = metrics[TASKS.get(task).primary]
            assert primary["value"] is not None
            assert primary["n"] > 0
            assert primary["n_unscored"] == 0


@pytest.mark.parametrize(
    ("model", "words", "missing"),
    [
        (f"blip:{GOLDEN / 'blip_tiny' / 'itm'}", COCO, "captioning: .*has no model of captions"),
        (
            f"blip:{GOLDEN / 'blip_tiny' / 'caption'}",
            COCO,
            "retrieval: .*has no model of retrieval and matching",
        ),
        (
            f"albef:{GOLDEN / 'albef_vqa.pth'}",
            COCO,
            "retrieval: .*has no checkpoint of retrieval and matching",
        ),
        (f"albef:{GOLDEN / 'albef_retrieval.pth'}", VQA, "vqa: .*has no checkpoint of question answering"),
    ],
)
def test_what_a_checkpoint_lacks_is_left_out_or_refused(
    model: str, words: tuple[str, ...], missing: str, tmp_path: Path
) -> None:
    options = [
        "--model",
        model,
        "--corruption",
        "clean",
        "--limit",
        "2",
        *words,
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(app, ["run", *options])
    said = done.output if done.exception is None or done.exit_code == 0 else f"{done.output} {done.exception}"
    assert re.search(missing, said)
    left = [x for x in ("itm", "caption") if model.endswith(x)]
    assert (done.exit_code == 0) == bool(left), said
