"""MA-AFS on a dual encoder of the user's own: trained or calibrated, then run, all from the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.support.toy import TOY_ADAPTER, write_toy_folder

MODEL = f"mafs-clip:{TOY_ADAPTER}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("user")
    write_toy_folder(made / "toy", n=130)
    return made


def mafs_bench(folder: Path, home: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "MAFS_BENCH_HOME": str(folder / home)}
    command = [sys.executable, "-m", "mafs_bench", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def run(folder: Path, home: str, out: str, *more: str) -> subprocess.CompletedProcess[str]:
    options = [
        "--dataset",
        folder / "toy",
        "--split",
        "all",
        "--limit",
        "8",
        "--quiet",
        "--out",
        folder / out,
    ]
    return mafs_bench(folder, home, "run", "--model", MODEL, *options, *more)


@pytest.fixture(scope="module")
def calibrated(folder: Path) -> dict[str, object]:
    options = ["--backbone", TOY_ADAPTER, "--dataset", folder / "toy", "--split", "all"]
    done = mafs_bench(folder, "calibrated", "calibrate", *options)
    assert done.returncode == 0, done.stderr
    (card,) = (folder / "calibrated" / "fusion").glob("mafs-*.json")
    return dict(json.loads(card.read_text()))


@pytest.fixture(scope="module")
def trained(folder: Path) -> list[Path]:
    options = ["--backbone", TOY_ADAPTER, "--dataset", folder / "toy", "--split", "all", "--steps", "3"]
    done = mafs_bench(folder, "trained", "train", "scheduler", *options)
    assert done.returncode == 0, done.stderr
    return sorted((folder / "trained" / "fusion").glob("*.safetensors"))


def test_the_card_says_where_the_scheduler_comes_from(calibrated: dict[str, object]) -> None:
    assert "calibrated" in str(calibrated["method"])
    assert calibrated["scheduler"]["fusion"] == "mafs"  # type: ignore[index]
    assert set(calibrated["projections"]["held_out_r1"]) == {"identity", "regression"}  # type: ignore[index]
    assert calibrated["data"]["images"] == 130  # type: ignore[index]


def test_a_calibrated_model_runs_and_leaves_out_captions(folder: Path, calibrated: dict[str, object]) -> None:
    done = run(folder, "calibrated", "run", "--corruption", "image_dropout", "--severity", "5")
    assert done.returncode == 0, done.stderr
    spec = json.loads((folder / "run" / "spec.json").read_text())
    assert set(spec["tasks"]) == {"retrieval", "fused-retrieval", "matching"}
    assert any("no 'mafs' captioner has been trained" in note for note in spec["notes"])
    frame = pd.read_parquet(folder / "run" / "cells" / "fused-retrieval--image_dropout-5.parquet")
    alpha = frame["alpha_image"]
    assert ((alpha == 0) | ((alpha > 0) & (alpha < 1))).all()
    assert (alpha == 0).any()


def test_captions_that_cannot_be_had_are_refused_in_one_line(
    folder: Path, calibrated: dict[str, object]
) -> None:
    done = run(folder, "calibrated", "refused", "--corruption", "clean", "--task", "captioning")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "train scheduler" in done.stderr
    assert "--task captioning" in done.stderr


def test_training_writes_a_captioner_of_its_own(trained: list[Path]) -> None:
    assert [path.name.rpartition("-")[0] for path in trained] == ["captions-mafs", "mafs"]
    card = json.loads(trained[0].with_suffix(".json").read_text())
    assert set(card["loss"]) == {"captioning"}


def test_captions_are_scored_with_their_weights(folder: Path, trained: list[Path]) -> None:
    tasks = ("--task", "captioning", "--task", "context-captioning")
    done = run(folder, "trained", "captions", "--corruption", "image_dropout", "--severity", "5", *tasks)
    assert done.returncode == 0, done.stderr
    for task in ("captioning", "context-captioning"):
        clean, dropped = (
            pd.read_parquet(folder / "captions" / "cells" / f"{task}--{condition}.parquet")
            for condition in ("clean", "image_dropout-5")
        )
        assert clean["caption"].notna().all()
        assert (clean["alpha_image"] > 0).all()
        assert (dropped["alpha_image"] == 0).any()
        assert ((clean["alpha_image"] + clean["alpha_text"] - 1).abs() < 1e-5).all()


def test_batches_change_no_caption(folder: Path, trained: list[Path]) -> None:
    def captions(out: str, size: str) -> bytes:
        options = ("--corruption", "clean", "--task", "captioning", "--batch-size", size, "--workers", "0")
        done = run(folder, "trained", out, *options)
        assert done.returncode == 0, done.stderr
        return (folder / out / "cells" / "captioning--clean.parquet").read_bytes()

    assert captions("one", "1") == captions("five", "5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fusion", "qmf", "--task", "captioning"), "qmf has no captioner; allowed: mafs, mean, static"),
        (("--fusion", "mean", "--task", "retrieval"), "mean fuses queries only"),
        (("--task", "caption"), "Did you mean 'captioning'"),
        (("--task", "vqa"), "no questions"),
    ],
)
def test_what_cannot_be_trained_is_one_line(folder: Path, options: tuple[str, ...], message: str) -> None:
    given = ("--backbone", TOY_ADAPTER, "--dataset", folder / "toy", "--split", "all", *options)
    done = mafs_bench(folder, "refused", "train", "scheduler", *given)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fusion", "mafs@2"), "text_fertility, text_fragments"),
        (("--pairs", "20"), "has 20 images; at least 128 needed"),
        (("--fusion", "static"), "which has no scheduler that could travel"),
        (("--scheduler", "nowhere.safetensors"), "nowhere.safetensors does not hold a fusion"),
    ],
)
def test_what_cannot_be_calibrated_is_one_line(folder: Path, options: tuple[str, ...], message: str) -> None:
    given = ("--backbone", TOY_ADAPTER, "--dataset", folder / "toy", "--split", "all", *options)
    done = mafs_bench(folder, "refused", "calibrate", *given)
    assert done.returncode == 1
    assert not (folder / "refused").exists()
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("embedded")]
    assert len(lines) == 1
    assert message in lines[0]


def test_a_backbone_without_a_fusion_is_told_how_to_get_one(folder: Path) -> None:
    shutil.rmtree(folder / "empty", ignore_errors=True)
    done = run(folder, "empty", "none", "--corruption", "clean")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "mafs-bench calibrate --backbone" in done.stderr
