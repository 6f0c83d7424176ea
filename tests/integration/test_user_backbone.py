"""MA-AFS on a dual encoder of the user's own: trained or calibrated, then run, all from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import load
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import MafsBenchError, UsageError, WeightsError
from mafs_bench.mafs.calibrate import CalibrationRequest, calibrate
from mafs_bench.mafs.train_fusion import TrainingRequest, train_scheduler
from mafs_bench.mafs.training import Budget
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


def test_batches_change_no_caption(
    folder: Path, trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAFS_BENCH_HOME", str(folder / "trained"))
    adapter = load(MODEL, Settings())
    samples = resolve(str(folder / "toy"), "all", None, 5).samples
    images = adapter.encode_images([sample.image.load() for sample in samples])
    texts = adapter.encode_texts([sample.captions[0] for sample in samples])
    together = adapter.caption_embedded(images, texts)
    alone = [adapter.caption_embedded(images.take(r), texts.take(r))[0] for r in np.arange(5)[:, None]]
    assert alone == together


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"fusion": "qmf", "task": "captioning"}, "qmf has no captioner; allowed: mafs, mean, static"),
        ({"fusion": "mean", "task": "retrieval"}, "mean fuses queries only"),
        ({"task": "caption"}, "Did you mean 'captioning'"),
        ({"task": "vqa"}, "no questions"),
    ],
)
def test_what_cannot_be_trained_is_refused(folder: Path, wanted: dict[str, str], message: str) -> None:
    request = TrainingRequest(TOY_ADAPTER, dataset=str(folder / "toy"), split="all", **wanted)  # type: ignore[arg-type]
    with pytest.raises(MafsBenchError, match=message):
        train_scheduler(request, Budget(steps=1), print)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"fusion": "mafs@2"}, "text_fertility, text_fragments, which this backbone does not provide"),
        ({"pairs": 20}, "has 20 images; at least 128 needed"),
        ({"fusion": "static"}, "which has no scheduler to transfer"),
        ({"fusion": "mofs"}, "no 'mofs' scheduler is bundled"),
        ({"scheduler": Path("nowhere.safetensors")}, "nowhere.safetensors does not contain a fusion"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    folder: Path, tmp_path: Path, wanted: dict[str, object], message: str
) -> None:
    request = CalibrationRequest(TOY_ADAPTER, str(folder / "toy"), "all", out=tmp_path / "out", **wanted)  # type: ignore[arg-type]
    with pytest.raises(MafsBenchError, match=message):
        calibrate(request, print)
    assert not (tmp_path / "out").exists()


def test_a_backbone_without_a_fusion_is_told_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAFS_BENCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"train scheduler --backbone .*mafs-bench calibrate --backbone"):
        load(MODEL, Settings())


def test_a_backbone_that_is_no_dual_encoder_is_refused() -> None:
    with pytest.raises(UsageError, match="it is not a dual encoder"):
        load(f"mafs-clip:{__file__}:OnlyCaptions", Settings())


class OnlyCaptions:
    def caption(self, images: list[np.ndarray], contexts: list[str]) -> list[str]:
        return [""] * len(images)
