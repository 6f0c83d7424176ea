"""A model is what it answers: a checkpoint or a module that changes is another model, whatever its file is called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.runs.store import read_run
from tests.support import forked
from tests.support.forked import Forked
from tests.support.results_folder import contents
from tests.support.toy import write_toy_folder

ADAPTER = """
from pathlib import Path

import numpy as np

from helper import features

HERE = Path(__file__).parent


class Model:
    checkpoint = "first.npy"

    def __init__(self):
        self.matrix = np.load(HERE / self.checkpoint)

    def encode_images(self, images):
        return self._unit([features(image) for image in images])

    def encode_texts(self, texts):
        import late
        return self._unit([late.counts(text) for text in texts])

    def _unit(self, rows):
        vectors = np.stack(rows).astype(np.float32) @ self.matrix
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Large(Model):
    pass


class Any(Model):
    @classmethod
    def load(cls, argument, settings):
        return cls()
"""
HELPER = """
import numpy as np


def features(image):
    return np.append(image.reshape(-1, 3).mean(0) - 100, 1.0)
"""
LATE = """
def counts(text):
    return [text.count("red") + 0.1, text.count("green"), text.count("blue"), 1.0]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_toy_folder(tmp_path / "toy")
    for name, text in (("f.py", ADAPTER), ("helper.py", HELPER), ("late.py", LATE)):
        (tmp_path / name).write_text(text)
    write_checkpoint(tmp_path, 0)
    return tmp_path


def write_checkpoint(home: Path, seed: int) -> None:
    np.save(home / "first.npy", np.random.default_rng(seed).standard_normal((4, 8)).astype(np.float32))


def mafs_bench(home: Path, *words: str) -> Forked:
    return forked.start(list(words), home, before="import sys; sys.path.insert(0, '')").wait()


def run(home: Path, out: str, *more: str, model: str = "f.py:Model") -> Forked:
    return mafs_bench(
        home, *("run", "--model", model, "--dataset", "toy", "--task", "retrieval", "--severity", "5"),
        *("--corruption", "contrast,keyboard", "--out", out, "--quiet", "--workers", "0", *more),
    )  # fmt: skip


def last_line(done: Forked) -> str:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_the_same_run_of_another_checkpoint_is_refused(home: Path) -> None:
    assert run(home, "out").returncode == 0
    before = contents(home / "out")
    assert run(home, "out").returncode == 0
    write_checkpoint(home, 1)
    line = last_line(run(home, "out"))
    assert line.startswith("mafs-bench: out holds another run: the model answers differently (images, ")
    assert line.endswith("choose another --out")
    assert contents(home / "out") == before
    assert run(home, "elsewhere").returncode == 0
    assert scores(home / "elsewhere") != scores(home / "out")


@pytest.mark.parametrize(("module", "old", "new"), [("helper.py", "100", "50"), ("late.py", "0.1", "3")])
def test_a_module_that_changed_is_named(home: Path, module: str, old: str, new: str) -> None:
    assert run(home, "out").returncode == 0
    file = home / module
    file.write_text(file.read_text().replace(old, new))
    assert f"out holds another run: the model's module {module} has changed; choose" in last_line(
        run(home, "out")
    )


def test_a_resumed_run_does_not_mix_two_models(home: Path) -> None:
    assert run(home, "out").returncode == 0
    for cell in (home / "out" / "cells").glob("retrieval--contrast-*"):
        cell.unlink()
    left = contents(home / "out")
    write_checkpoint(home, 1)
    assert "the model answers differently" in last_line(run(home, "out"))
    assert contents(home / "out") == left


@pytest.mark.parametrize("change", ["checkpoint", "helper"])
def test_the_cache_gives_no_rows_of_another_model(home: Path, change: str) -> None:
    assert run(home, "first", "--cache", "cache").returncode == 0
    if change == "checkpoint":
        write_checkpoint(home, 1)
    else:
        (home / "helper.py").write_text(HELPER.replace("100", "50"))
    assert run(home, "cached", "--cache", "cache").returncode == 0
    assert run(home, "fresh").returncode == 0
    assert scores(home / "cached") == scores(home / "fresh") != scores(home / "first")
    write_checkpoint(home, 0)
    (home / "helper.py").write_text(HELPER)
    assert run(home, "again", "--cache", "cache").returncode == 0
    assert scores(home / "again") == scores(home / "first")


def test_a_check_runs_no_other_model_from_what_is_stored(home: Path) -> None:
    assert run(home, "out").returncode == 0
    assert mafs_bench(home, "baseline", "out", "--out", "base.parquet").returncode == 0
    check = ("check", "--baseline", "base.parquet", "--model", "f.py:Model", "--out", "out")
    assert mafs_bench(home, *check).returncode in (0, 2)  # few images: it may be inconclusive
    write_checkpoint(home, 1)
    done = mafs_bench(home, *check)
    assert done.returncode not in (0, 2), done.stderr
    assert "the model answers differently" in done.stderr


def test_class_and_argument_belong_to_the_identity(home: Path) -> None:
    specs = ["Model", "Large", "Any", "Any:1", "Any:2"]
    outs = {spec: f"out-{spec.replace(':', '-')}" for spec in specs}
    for spec, out in outs.items():
        assert run(home, out, model=f"f.py:{spec}").returncode == 0
    weights = {spec: read_run(home / out).spec.weights for spec, out in outs.items()}
    assert len(set(weights.values())) == len(specs)


def test_the_record_names_every_module_of_the_adapters_folder(home: Path) -> None:
    (home / "unrelated.py").write_text("")
    assert run(home, "out").returncode == 0
    assert read_run(home / "out").spec.modules.keys() == {"f.py", "helper.py", "late.py"}


def test_an_identity_does_not_depend_on_what_is_imported_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "imports_late.py").write_text(
        "from tests.support.toy import ToyEncoder\n\n\nclass Late(ToyEncoder):\n    def encode_texts(self, texts):\n"
        "        import imported_late\n        return super().encode_texts(texts)\n"
    )
    (tmp_path / "imported_late.py").write_text("VALUE = 1\n")
    spec = f"{tmp_path}/imports_late.py:Late"
    first = load(spec, resolve_settings("cpu"))
    first.encode_texts(["a"])
    second = load(spec, resolve_settings("cpu"))
    assert first.weights == second.weights
    (tmp_path / "imported_late.py").write_text("VALUE = 2\n")
    assert load(spec, resolve_settings("cpu")).weights != first.weights


def scores(folder: Path) -> dict[str, object]:
    cells = json.loads((folder / "results.json").read_text())
    return {f"{cell['corruption']}-{cell['severity']}": cell["metrics"] for cell in cells}
