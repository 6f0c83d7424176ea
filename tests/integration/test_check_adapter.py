"""``mafs-bench check-adapter`` as a user meets it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import UsageError

ADAPTER = """
import numpy as np

class Mine:
    def encode_images(self, images):
        return {value} * self._unit([[1, image[0, 0, 0]] for image in images])

    def encode_texts(self, texts):
        return self._unit([[1, ord((text or '0')[-1])] for text in texts])

    def _unit(self, rows):
        rows = np.float32(rows)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
"""


@pytest.fixture
def folder(tmp_path):
    rows = []
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        rows.append(json.dumps({"image": f"{index}.png", "captions": [f"picture {index}", "noise"]}))
    (tmp_path / "captions.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path


def check(folder, value):
    (folder / "mine.py").write_text(ADAPTER.format(value=value))
    command = ["check-adapter", f"{folder}/mine.py:Mine", "--dataset", str(folder), "--device", "cpu"]
    return CliRunner().invoke(app, command)


def test_one_line_a_check(folder):
    result = check(folder, 1)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == 8
    assert all(line.startswith("ok   ") for line in lines)


def test_a_failing_check_ends_in_exit_code_1(folder):
    result = check(folder, 2)
    assert result.exit_code == 1
    assert "FAIL vectors: encode_images: embedding 0 (of 3, from 0) has length 2, must be 1" in result.output


def test_specs_are_resolved_without_torch():
    code = "import sys, mafs_bench.adapters.load; assert not {'torch', 'open_clip'} & sys.modules.keys()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_template_runs_as_it_is(folder):
    file = folder / "my_model.py"
    result = CliRunner().invoke(app, ["init-adapter", str(file)])
    assert result.exit_code == 0, result.output
    spec, data = f"{file}:MyModel", ["--dataset", str(folder), "--device", "cpu"]
    assert f"check-adapter {spec}" in result.output
    result = CliRunner().invoke(app, ["check-adapter", spec, *data])
    assert result.exit_code == 0, result.output
    out = ["--out", str(folder / "out"), "--workers", "0", "--quiet"]
    result = CliRunner().invoke(
        app, ["run", "--model", spec, "--corruption", "clean", "--split", "all", *data, *out]
    )
    assert result.exit_code == 0, result.output
    assert (folder / "out" / "results.json").is_file()


def test_a_template_overwrites_nothing(folder):
    (folder / "mine.py").write_text("kept")
    for name, words in (("mine.py", "already exists"), ("mine.txt", "ends in .py")):
        error = CliRunner().invoke(app, ["init-adapter", str(folder / name)]).exception
        assert isinstance(error, UsageError)
        assert words in str(error)
    assert (folder / "mine.py").read_text() == "kept"
