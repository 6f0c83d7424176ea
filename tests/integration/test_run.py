"""``mafs-bench run`` as a whole: results, resumption, refusals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.results_folder import contents
from tests.support.toy import TOY_ADAPTER, write_toy_folder

ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
CORRUPTIONS = "gaussian,keyboard,image_dropout,pair_shuffle"


def mafs_bench(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mafs_bench", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def run_toy(folder: Path, out: str, *more: str) -> subprocess.CompletedProcess[str]:
    options = ["--model", TOY_ADAPTER, "--dataset", folder / "toy", "--out", folder / out]
    return mafs_bench("run", *options, "--corruption", CORRUPTIONS, "--quiet", *more, cwd=folder)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_toy_folder(folder / "toy")
    done = run_toy(folder, "reference")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_leaves_every_cell_and_its_metrics(reference: Path) -> None:
    cells = json.loads((reference / "reference" / "results.json").read_text())
    labels = {(c["task"], c["corruption"], c["severity"]) for c in cells}
    assert len(labels) == len(cells) == 3 + 3 * 5 + 4 * 5 + 4 * 5
    assert ("retrieval", "pair_shuffle", 1) not in labels
    clean = next(c for c in cells if c["task"] == "retrieval" and c["corruption"] is None)
    names = {f"{d}_r{k}" for d in ("t2i", "i2t") for k in (1, 5, 10)}
    assert names | {"rsum", "mrr"} <= set(clean["metrics"])
    judged = {f"{d}_{name}" for d in ("t2i", "i2t") for name in ("map_at_r", "r_precision")}
    assert all(clean["metrics"].pop(name)["value"] is None for name in judged)  # nobody judged these pairs
    for estimate in clean["metrics"].values():
        assert estimate["low"] is None or estimate["low"] <= estimate["value"] <= estimate["high"]
        assert estimate["n_unscored"] == 0
    assert (reference / "reference" / "curves.png").stat().st_size > 1000
    assert not (reference / "reference" / ".partial").exists()


@pytest.mark.parametrize(
    "more", [("--batch-size", "1"), ("--batch-size", "7", "--workers", "2"), ("--workers", "0")], ids=" ".join
)
def test_results_do_not_depend_on_batches_and_workers(reference: Path, more: tuple[str, ...]) -> None:
    name = "".join(more)
    done = run_toy(reference, name, *more)
    assert done.returncode == 0, done.stderr
    assert contents(reference / name) == contents(reference / "reference")


def test_a_killed_run_goes_on_to_the_same_bytes(reference: Path) -> None:
    out = reference / "killed"
    options = ["--model", TOY_ADAPTER, "--dataset", str(reference / "toy"), "--out", str(out)]
    command = [sys.executable, "-m", "mafs_bench", "run", *options, "--corruption", CORRUPTIONS]
    process = subprocess.Popen(command, cwd=reference, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(out.glob("cells/*.parquet"))) < 5:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "results.json").exists()
    done = run_toy(reference, "killed")
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(reference / "reference")


def test_a_folder_of_another_run_is_refused(reference: Path) -> None:
    done = run_toy(reference, "reference", "--seed", "1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "seed is 0 there and 1 here" in done.stderr


def test_a_damaged_cell_is_named_and_run_again(reference: Path) -> None:
    before = contents(reference / "reference")
    cell = reference / "reference" / "cells" / "retrieval--keyboard-3.parquet"
    cell.write_bytes(cell.read_bytes()[:100])
    options = ["--model", TOY_ADAPTER, "--dataset", reference / "toy", "--out", reference / "reference"]
    done = mafs_bench("run", *options, "--corruption", CORRUPTIONS, cwd=reference)
    assert done.returncode == 0, done.stderr
    assert "retrieval--keyboard-3.parquet is damaged" in done.stderr
    assert contents(reference / "reference") == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--model", "mafs-clipp"), "Did you mean 'mafs-clip'"),
        (("--corruption", "gausian"), "Did you mean 'gaussian"),
        (("--severity", "0"), "allowed are 1 to 5"),
        (("--severity", "6"), "allowed are 1 to 5"),
        (("--severity", "3-1"), "allowed are 1 to 5"),
        (("--severity", "x"), "allowed are 1 to 5"),
        (("--task", "retrievall"), "Did you mean 'retrieval'"),
        (("--task", "captioning"), "cannot do captioning"),
        (("--dataset", "scene"), "Did you mean 'scenes'"),
        (("--suite", "cor@1"), "Did you mean 'core@1'"),
        (("--device", "tpu"), "unknown device"),
        (("--precision", "fp8"), "unknown precision"),
        (("--on-error", "ignore"), "allowed are fail, skip"),
        (("--limit", "0"), "allowed is a whole number from 1"),
        (("--model", "no/such/file.py:Thing"), "no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input_is_one_line(reference: Path, arguments: tuple[str, ...], expected: str) -> None:
    options = {"--model": TOY_ADAPTER, "--dataset": str(reference / "toy"), "--corruption": "gaussian"}
    options |= dict([arguments])
    done = mafs_bench("run", *[word for item in options.items() for word in item], cwd=reference)
    assert done.returncode == 1, done.stdout
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--model", "chance"),
            r"missing option '--corruption' \(name, family, .*, all, or clean\); see ",
        ),
        (("--model", "chance", "--severty", "3"), r"no such option: --severty .*--severity"),
        (
            ("--model", "chance", "--batch-size", "0"),
            r"invalid value for '--batch-size': .*\(images per forward pass\)",
        ),
    ],
    ids=["missing", "unknown", "out of range"],
)
def test_a_wrong_command_line_is_one_line(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = mafs_bench("run", *arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert re.match(f"mafs-bench: {expected}", done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
