"""Training a fusion and the fusion study, from the command line, on toy data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.support.toy import TOY_ADAPTER, write_toy_folder

STUDY = ("--seeds", "2", "--severity", "3", "--limit", "12", "--steps", "3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fusion")
    write_toy_folder(made / "toy", n=142)
    return made


def mafs_bench(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "MAFS_BENCH_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "mafs_bench", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_a_scheduler_is_trained_with_its_card(folder: Path) -> None:
    options = ["--backbone", TOY_ADAPTER, "--dataset", folder / "toy", "--split", "all", "--steps", "3"]
    done = mafs_bench(folder, "train", "scheduler", *options)
    assert done.returncode == 0, done.stderr
    (weights,) = (folder / "home" / "fusion").glob("mafs-*.safetensors")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert "reconstruction" in card["method"]
    assert card["data"]["images"] == 142
    assert set(card["loss"]) == {"retrieval", "fused-retrieval"}


def test_an_unknown_fusion_is_one_line(folder: Path) -> None:
    done = mafs_bench(folder, "train", "scheduler", "--backbone", TOY_ADAPTER, "--fusion", "mafz")
    assert done.returncode == 1
    assert "Did you mean 'mafs'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_too_few_training_images_are_one_line(folder: Path) -> None:
    options = ["--backbone", TOY_ADAPTER, "--dataset", folder / "toy", "--split", "all", "--limit", "20"]
    done = mafs_bench(folder, "train", "scheduler", *options)
    assert done.returncode == 1
    assert "has 20 training images" in done.stderr


def test_the_study_reports_and_resumes(folder: Path) -> None:
    options = [
        "--backbone",
        TOY_ADAPTER,
        "--dataset",
        folder / "toy",
        "--train",
        "all[0:130]",
        "--test",
        "all[130:]",
        *STUDY,
    ]
    done = mafs_bench(folder, "study", "fusion", "--out", folder / "study", *options)
    assert done.returncode == 0, done.stderr
    first = (folder / "study" / "study.md").read_text()
    for name in (
        "image-only",
        "qmf",
        "oracle",
        "mafs without agreement",
        "gain over the best fixed",
    ):
        assert name.lower() in first.lower()
    scores = pd.read_csv(folder / "study" / "fused-retrieval-scores.csv")
    assert len(scores) == 18  # the toy gives no token signals: mafs@2 is left out
    assert "--train 'all[0:130]' --test 'all[130:]' --seeds 2 --severity 3 --limit 12 --steps 3" in first
    assert not (folder / "study" / ".partial").exists()
    other = mafs_bench(folder, "study", "fusion", "--out", folder / "study", *options[:-1], "4")
    assert other.returncode == 1
    assert other.stderr.strip().endswith("--steps was 3 there and is 4 now; choose another --out")
    (folder / "study" / "scores" / "fused-retrieval--fog-3.parquet").unlink()
    again = mafs_bench(folder, "study", "fusion", "--out", folder / "study", *options)
    assert again.returncode == 0, again.stderr
    made = [line for line in again.stderr.splitlines() if line.startswith("noisy")]
    assert len(made) == 1
    assert "fog-3" in made[0]
    assert (folder / "study" / "study.md").read_text().split("## Diagnostics")[0] == first.split(
        "## Diagnostics"
    )[0]
