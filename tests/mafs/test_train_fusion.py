"""Training a fusion: what is refused before anything is embedded, and what is left on disk."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.errors import MafsBenchError, TrainingError, UsageError, WeightsError
from mafs_bench.mafs import train_fusion as module
from mafs_bench.mafs.calibrate import CalibrationRequest, bundled_scheduler, calibrate
from mafs_bench.mafs.train_fusion import TrainingRequest, train_scheduler
from mafs_bench.mafs.training import Budget
from mafs_bench.mafs.weights import load
from tests.support.toy import TOY_ADAPTER, ToyEncoder, write_toy_folder

QUICK = Budget(steps=2, batch=16)
HERE = f"{__file__}:"


class LongTexts(ToyEncoder):
    """Texts of 8 dimensions, images of 7."""

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        rows = np.pad(super().encode_texts(texts), ((0, 0), (0, 1)))
        return rows.astype(np.float32)


class Fuses:
    """Encodes nothing."""

    def caption(self, images: list[np.ndarray], contexts: list[str]) -> list[str]:
        return [""] * len(images)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_folder(tmp_path_factory.mktemp("train") / "toy data", n=130)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAFS_BENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def request(toy: Path, **changes: object) -> TrainingRequest:
    values = {"backbone": TOY_ADAPTER, "fusion": "static", "dataset": str(toy), "split": "all"}
    return TrainingRequest(**{**values, "task": "fused-retrieval", **changes})  # type: ignore[arg-type]


def with_captions(toy: Path, folder: Path, keep: int) -> Path:
    """The same images with the first ``keep`` captions each."""
    write_toy_folder(folder, n=130)
    lines = [json.loads(line) for line in (toy / "captions.jsonl").read_text().splitlines()]
    kept = [json.dumps({**line, "captions": line["captions"][:keep]}) for line in lines]
    (folder / "captions.jsonl").write_text("\n".join(kept) + "\n")
    return folder


def refuses(asked: TrainingRequest, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and nothing was embedded."""
    monkeypatch.setattr(module, "embed", lambda *given: pytest.fail("embedded before it was refused"))
    with pytest.raises(MafsBenchError, match=match) as raised:
        train_scheduler(asked, QUICK, print)
    assert "\n" not in str(raised.value)


def test_one_caption_per_image_is_refused(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    single = with_captions(toy, tmp_path / "single", keep=1)
    refuses(request(single), "0 of 130 images have two captions or more, 128 needed", monkeypatch)


def test_captions_alone_can_be_learnt_from_one_caption_per_image(toy: Path, tmp_path: Path) -> None:
    single = with_captions(toy, tmp_path / "single", keep=1)
    (made,) = train_scheduler(request(single, task="captioning"), QUICK, print)
    assert np.isfinite(json.loads(made.card.read_text())["loss"]["captioning"]).all()


def test_vectors_of_two_lengths_are_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(toy, backbone=f"{HERE}LongTexts")
    refuses(asked, "images to 7 dimensions and texts to 8", monkeypatch)
    with pytest.raises(UsageError, match="images to 7 dimensions and texts to 8"):
        calibrate(CalibrationRequest(f"{HERE}LongTexts", str(toy), "all"), print)


def test_a_model_that_encodes_nothing_is_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses(
        request(toy, backbone=f"{HERE}Fuses"), "cannot be trained on: it is not a dual encoder", monkeypatch
    )


def test_a_folder_that_cannot_be_written_is_refused_first(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    refuses(request(toy, out=out), "cannot write", monkeypatch)
    asked = CalibrationRequest(TOY_ADAPTER, str(toy), "all", out=out)
    with pytest.raises(WeightsError, match="cannot write"):
        calibrate(asked, lambda line: pytest.fail(line))


def test_a_loss_that_is_not_a_number_stops_the_training(
    toy: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mafs_bench.mafs.training.kl_to_uniform", lambda alpha, present: alpha.sum() * np.nan)
    with pytest.raises(TrainingError, match="the loss of step 1 of 2 is nan"):
        train_scheduler(request(toy), QUICK, print)
    assert not (home / "fusion").exists()


def test_the_command_of_a_card_is_complete_and_trains_the_same(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = request(toy, seed=3, out=Path("my out"), limit=129)
    (made,) = train_scheduler(asked, Budget(steps=2), print)
    first, card = made.weights.read_bytes(), json.loads(made.card.read_text())
    assert "nan" not in made.card.read_text().lower()
    made.weights.unlink()
    done = CliRunner().invoke(app, shlex.split(card["command"])[1:])
    assert done.exit_code == 0, done.output
    assert made.weights.read_bytes() == first
    assert sorted(path.name for path in Path("my out").iterdir()) == [made.card.name, made.weights.name]


def test_the_command_of_a_calibration_is_complete(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = CalibrationRequest(TOY_ADAPTER, str(toy), "all", pairs=129, seed=4, out=Path("my out"))
    made = calibrate(asked, print)
    first, card = made.weights.read_bytes(), json.loads(made.card.read_text())
    made.weights.unlink()
    done = CliRunner().invoke(app, shlex.split(card["command"])[1:])
    assert done.exit_code == 0, done.output
    assert made.weights.read_bytes() == first


def test_a_damaged_cache_is_made_again(toy: Path, home: Path) -> None:
    (made,) = train_scheduler(request(toy), QUICK, print)
    first = made.weights.read_bytes()
    (cache,) = (home / "cache").iterdir()
    cache.write_bytes(cache.read_bytes()[:1000])
    lines: list[str] = []
    train_scheduler(request(toy), QUICK, lines.append)
    assert "is not used (damaged: " in lines[0]
    assert made.weights.read_bytes() == first
    lines.clear()
    train_scheduler(request(toy), QUICK, lines.append)
    assert "using cached embeddings" in lines[0]


def test_a_home_that_cannot_be_written_does_without_a_cache(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAFS_BENCH_HOME", str(tmp_path / "file" / "home"))
    lines: list[str] = []
    (made,) = train_scheduler(request(toy, out=tmp_path / "out"), QUICK, lines.append)
    assert made.weights.is_file()
    assert "the embeddings are not cached" in lines[0]


def test_weights_that_go_before_the_bundled_ones_are_named(
    toy: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    (made,) = train_scheduler(request(toy), QUICK, lines.append)
    assert not any("replaces the bundled weights" in line for line in lines)
    (tmp_path / made.weights.name).write_bytes(b"")
    monkeypatch.setattr(module, "search_path", lambda: [home / "fusion", tmp_path])
    train_scheduler(request(toy), QUICK, lines.append)
    assert lines[-1].startswith(f"{made.weights} now replaces the bundled weights")


@pytest.mark.slow
def test_trainings_in_one_home_do_not_disturb_each_other(toy: Path, home: Path) -> None:
    command = [sys.executable, "-m", "mafs_bench", "train", "scheduler", "--backbone", TOY_ADAPTER]
    command += ["--fusion", "static", "--dataset", str(toy), "--split", "all", "--steps", "2"]
    command += ["--task", "fused-retrieval"]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    (made,) = (home / "fusion").glob("*.safetensors")
    assert load(made).fusion == "static"
    assert not [path for path in home.rglob("*") if path.name.startswith(".")]


def test_the_bundled_scheduler_is_the_bundled_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, spec in (("mafs-0", "blip"), ("mafs-1", "clip"), ("mafs-2", "albef")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"backbone": {"spec": spec}}))
    monkeypatch.setattr("mafs_bench.mafs.calibrate.search_path", lambda: [tmp_path, tmp_path])
    assert bundled_scheduler("mafs") == tmp_path / "mafs-1.safetensors"
