"""What was trained on a backbone is used with that backbone alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import load as load_model
from mafs_bench.errors import WeightsError
from mafs_bench.mafs.backbone import difference, probe_encoder
from mafs_bench.mafs.caption_weights import captioner_file, load_captioner, save_captioner
from mafs_bench.mafs.train_fusion import TrainingRequest, train_scheduler
from mafs_bench.mafs.training import Budget
from mafs_bench.mafs.weights import file_name, load, save
from mafs_bench.types import TrainingData
from tests.support.toy import TOY_ADAPTER, ToyEncoder, write_toy_folder

QUICK = Budget(steps=2, batch=16)
MODEL = '''
import numpy as np
from pathlib import Path
from tests.support.toy import ToyEncoder

class Rotated(ToyEncoder):
    """Its checkpoint is a matrix in a file beside it."""

    def encode_images(self, images):
        matrix = np.load(Path(__file__).with_name("checkpoint.npy"))
        return (super().encode_images(images) @ matrix).astype(np.float32)

class Other(Rotated):
    pass
'''


class Rounded(ToyEncoder):
    """The toy in half precision."""

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        return super().encode_images(images).astype(np.float16).astype(np.float32)


def checkpoint(folder: Path, seed: int) -> None:
    """An orthogonal matrix."""
    noise = np.random.default_rng(seed).normal(size=(7, 7))
    np.save(folder / "checkpoint.npy", np.linalg.qr(noise)[0])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_folder(tmp_path_factory.mktemp("backbone") / "toy", n=130)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MAFS_BENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "rotated.py").write_text(MODEL)
    checkpoint(tmp_path, 0)
    return f"{tmp_path / 'rotated.py'}:Rotated"


def train(model: str, toy: Path, task: str = "fused-retrieval") -> list[str]:
    lines: list[str] = []
    request = TrainingRequest(model, "mafs", str(toy), "all", task=task)
    train_scheduler(request, QUICK, lines.append)
    return lines


def test_another_checkpoint_is_refused_until_it_is_trained_on(model: str, toy: Path, tmp_path: Path) -> None:
    train(model, toy)
    load_model(f"mafs-clip:{model}", Settings())
    checkpoint(tmp_path, 1)
    with pytest.raises(WeightsError, match=r"was trained on other weights than those of ") as raised:
        load_model(f"mafs-clip:{model}", Settings())
    assert "\n" not in str(raised.value)
    assert f"mafs-bench train scheduler --backbone {model} --fusion mafs" in str(raised.value)
    lines = train(model, toy)
    assert "is not used (images, together: outputs differ by" in lines[0], "the old embeddings"
    load_model(f"mafs-clip:{model}", Settings())


def test_a_captioner_of_another_checkpoint_is_refused(model: str, toy: Path, tmp_path: Path) -> None:
    train(model, toy, "all")
    checkpoint(tmp_path, 1)
    train(model, toy)
    with pytest.raises(
        WeightsError, match=r"captions-mafs-.* was trained on other weights .*--task captioning"
    ):
        load_model(f"mafs-clip:{model}", Settings())


def test_two_classes_of_a_file_share_no_training_file(model: str, toy: Path, tmp_path: Path) -> None:
    other = model.replace("Rotated", "Other")
    train(model, toy)
    (first,) = (tmp_path / "home" / "fusion").glob("*.safetensors")
    before = first.read_bytes()
    assert "using cached embeddings" not in train(other, toy)[0]
    assert len(list((tmp_path / "home" / "fusion").glob("*.safetensors"))) == 2
    assert first.read_bytes() == before


def test_a_file_that_does_not_say_what_it_was_trained_on_is_refused(
    model: str, toy: Path, tmp_path: Path
) -> None:
    train(model, toy)
    (file,) = (tmp_path / "home" / "fusion").glob("*.safetensors")
    save(replace(load(file), probe={}), file)
    with pytest.raises(WeightsError, match="has no probe of the backbone"):
        load_model(f"mafs-clip:{model}", Settings())


def test_probe_and_data_survive_the_disk(model: str, toy: Path, tmp_path: Path) -> None:
    train(model, toy, "all")
    probe = probe_encoder(load_model(model, Settings()), "fp32")
    backbone = load_model(model, Settings()).weights
    data = (
        TrainingData("toy", "all", load(_file(tmp_path, file_name("mafs", backbone))).data[0].revision, 130),
    )
    for name, read in ((file_name, load), (captioner_file, load_captioner)):
        stored = read(_file(tmp_path, name("mafs", backbone)))  # type: ignore[operator]
        assert difference(stored.probe, probe) is None
        assert stored.data == data
    captioner = load_captioner(_file(tmp_path, captioner_file("mafs", backbone)))
    save_captioner(captioner, tmp_path / "again.safetensors")
    assert load_captioner(tmp_path / "again.safetensors").probe == captioner.probe


def _file(tmp_path: Path, name: str) -> Path:
    return tmp_path / "home" / "fusion" / name


def test_half_precision_is_the_same_backbone() -> None:
    whole = probe_encoder(load_model(TOY_ADAPTER, Settings()), "fp32").to_table()
    half = probe_encoder(load_model(f"{__file__}:Rounded", Settings()), "fp16")
    assert difference(whole, half) is None


@pytest.mark.parametrize("weights", ["v1/../../x", "best", "0" * 63])
def test_whatever_weights_are_called_the_name_is_a_plain_one(weights: str) -> None:
    assert Path(file_name("mafs", weights)).name == file_name("mafs", weights)
    assert file_name("mafs", weights) != file_name("mafs", weights + "2")


@pytest.mark.parametrize("spec", ["mafs-clip", "clip+mean", "clip+concat", "mafs-albef", "mafs-blip"])
def test_bundled_fusions_fit_their_backbones_and_say_what_they_were_trained_on(spec: str) -> None:
    adapter = load_model(spec, Settings())
    trained_on = {(data.name, data.split) for data in adapter.training_data}
    assert {("scenes", "train"), ("scenes", "val")} <= trained_on
    assert all(split != "test" for _, split in trained_on)
