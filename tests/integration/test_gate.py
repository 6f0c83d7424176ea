"""The gate and the reproduction with a model that really runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mafs_bench as mb
from mafs_bench.api import reproducing as reproduce
from mafs_bench.errors import StoreError, UnknownNameError, UsageError
from mafs_bench.report.gate import Verdict
from mafs_bench.report.recompute import recompute
from mafs_bench.runs.store import read_run
from tests.support.toy import TOY_ADAPTER, write_toy_folder

ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def mafs_bench(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mafs_bench", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    write_toy_folder(folder / "toy")
    options = [
        "--dataset",
        "toy",
        "--suite",
        "smoke@1",
        "--corruption",
        "gaussian,keyboard",
        "--severity",
        "1,3",
    ]
    done = mafs_bench("run", "--model", TOY_ADAPTER, *options, "--out", "old", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert mafs_bench("baseline", "old", "--out", "old.baseline", cwd=folder).returncode == 0
    return folder


def test_an_unchanged_model_runs_the_cells_of_the_baseline_and_passes(folder: Path) -> None:
    options = ["--baseline", "old.baseline", "--model", TOY_ADAPTER, "--dataset", "toy", "--out", "new"]
    done = mafs_bench("check", *options, "--junit", "j.xml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("pass: ")
    old, new = (json.loads((folder / name / "results.json").read_text()) for name in ("old", "new"))
    assert new == old
    assert recompute(read_run(folder / "old")).differences == ()


OFFSET_ADAPTER = """
from pathlib import Path
from tests.support.toy import ToyEncoder

class Mine(ToyEncoder):
    weights = "0" * 64

    def encode_texts(self, texts):
        return super().encode_texts([Path(__file__).with_name("salt").read_text() + text for text in texts])
"""


def test_a_changed_model_is_checked_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``out`` and without ``dataset``, which the baseline knows."""
    write_toy_folder(tmp_path / "toy", 30)
    (tmp_path / "mine.py").write_text(OFFSET_ADAPTER)
    (tmp_path / "salt").write_text("one")
    model = f"{tmp_path / 'mine.py'}:Mine"
    monkeypatch.chdir(tmp_path)
    run = mb.run(model, "contrast", 1, dataset="toy", task="retrieval", progress=False)
    assert f"--dataset {tmp_path / 'toy'}" in run.command
    mb.write_baseline(run, "old.baseline")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = mb.check("../old.baseline", model=model, progress=False)
    assert again.same_model
    (tmp_path / "salt").write_text("two")
    for _ in range(2):
        changed = mb.check("../old.baseline", model=model, progress=False)
        assert not changed.same_model
        assert changed.verdict is Verdict.INCONCLUSIVE
        first, second = sorted(Path("runs").iterdir())
        assert second.name == f"{first.name}-2"
    with pytest.raises(StoreError, match="answers differently"):
        mb.run(model, "contrast", 1, dataset=tmp_path / "toy", task="retrieval", out=first, progress=False)


def test_a_data_set_that_has_moved_is_named(tmp_path: Path) -> None:
    write_toy_folder(tmp_path / "toy")
    run = mb.run(TOY_ADAPTER, "clean", dataset=tmp_path / "toy", out=tmp_path / "run", progress=False)
    mb.write_baseline(run, tmp_path / "old.baseline")
    (tmp_path / "moved").mkdir()
    (tmp_path / "toy").rename(tmp_path / "moved" / "toy")
    with pytest.raises(UsageError, match=f"{tmp_path / 'toy'}, the data set of .* --dataset FOLDER"):
        mb.check(tmp_path / "old.baseline", model=TOY_ADAPTER, progress=False)
    found = mb.check(
        tmp_path / "old.baseline",
        model=TOY_ADAPTER,
        dataset=tmp_path / "moved" / "toy",
        out=tmp_path / "b",
        progress=False,
    )
    assert "other inputs" not in " ".join(found.notes)


def test_what_cannot_be_checked_is_one_line(folder: Path) -> None:
    done = mafs_bench(
        "check", "--baseline", "none.baseline", "--run", "old", "--junit", "none.xml", cwd=folder
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "none.baseline: no such file" in done.stderr
    assert not (folder / "none.xml").exists()


def test_published_numbers_are_held_against_a_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mafs_bench.runs.execute import Resources
    from mafs_bench.runs.progress import Quiet

    toy = str(folder / "toy")
    cells = json.loads((folder / "old" / "results.json").read_text())
    clean = next(cell["metrics"] for cell in cells if cell["task"] == "retrieval")
    rows = [
        {"model": TOY_ADAPTER, "dataset": toy, "t2i_r5": clean["t2i_r5"]["value"] + 0.004, "i2t_r5": 0.99}
    ]
    monkeypatch.setattr(reproduce, "_chosen", lambda *_: rows)
    roots, resources = {toy: folder}, Resources("cpu", workers=0)
    made = reproduce.reproduce("clip-clean", roots, (), 0.5, tmp_path, resources, Quiet())
    assert [row.meets for row in made] == [True, False]
    table = reproduce.reproduction_table(made, 0.5).shown()
    assert [row[-1] for row in table] == ["meets", "DIFFERS"]
    assert table[0][-2] == "-0.004"
    (results,) = tmp_path.glob("*/results.json")
    assert [cell["corruption"] for cell in json.loads(results.read_text())] == [None]


def test_a_reproduction_says_what_it_needs() -> None:
    with pytest.raises(UsageError, match="--data-root flickr30k=FOLDER, coco=FOLDER"):
        reproduce._chosen("clip-clean", {}, ())
    with pytest.raises(UnknownNameError, match="clip:ViT-B-32/openai"):
        reproduce._chosen("clip-clean", {"coco": Path()}, ("clip:ViT-B-16/openai",))
    with pytest.raises(UnknownNameError, match="clip-clean"):
        reproduce._chosen("clip-dirty", {"coco": Path()}, ())
    with pytest.raises(UsageError, match="DATASET=FOLDER"):
        reproduce.parse_roots(["coco"])
    assert reproduce.parse_roots(["coco=/data/coco"]) == {"coco": Path("/data/coco")}
    rows = reproduce._chosen("clip-clean", {"coco": Path(), "flickr30k": Path()}, ())
    assert len(rows) == 4
