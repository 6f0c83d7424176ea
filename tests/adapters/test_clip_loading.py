"""What can go wrong when CLIP weights are loaded: one line each, and never a random model."""

import json
import pickle
import shutil

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from mafs_bench.adapters import open_clip_models
from mafs_bench.adapters.open_clip_models import Source, load_model, parse_source
from mafs_bench.errors import MafsBenchError, UsageError, WeightsError

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip") / "stored"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**CONFIG).state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "model")


@pytest.fixture
def tiny_architecture(stored, monkeypatch):
    """Make the tiny configuration known to open_clip as an architecture of that name."""
    config = stored.parent / "Tiny-32.json"
    config.write_text(json.dumps(CONFIG))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(config)
    return "Tiny-32"


def assert_one_line(error, argument, message):
    with pytest.raises(error, match=message) as caught:
        load_model(argument, "cpu")
    assert isinstance(caught.value, MafsBenchError)
    assert "\n" not in str(caught.value)


def test_a_folder_loads_with_its_weights(folder):
    loaded = load_model(f"local-dir:{folder}", "cpu")
    torch.manual_seed(0)
    expected = open_clip.CLIP(**CONFIG).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.model.state_dict().items())
    assert not loaded.model.training
    assert loaded.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert loaded.logit_bias == 0


def test_the_hash_follows_weights_and_preprocessing(folder):
    before = load_model(f"local-dir:{folder}", "cpu").weights
    assert load_model(f"local-dir:{folder}", "cpu").weights == before
    changed = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}
    (folder / "open_clip_config.json").write_text(json.dumps(changed))
    assert load_model(f"local-dir:{folder}", "cpu").weights != before


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_file_loads_as_its_folder_does(folder, tiny_architecture, suffix):
    file = folder / f"epoch{suffix}"
    state = load_model(f"local-dir:{folder}", "cpu").model.state_dict()
    if suffix == ".pt":
        torch.save(
            {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, file
        )
    else:
        save_file(state, file)
    loaded = load_model(f"{tiny_architecture}/{file}", "cpu").model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_folder_without_weights_is_never_a_random_model(folder):
    (folder / "open_clip_model.safetensors").unlink()
    assert_one_line(WeightsError, f"local-dir:{folder}", "could not be loaded")


def test_a_folder_that_is_not_there(tmp_path):
    assert_one_line(WeightsError, f"local-dir:{tmp_path}/none", "no folder with open_clip_config")


def test_a_folder_with_a_broken_config(folder):
    (folder / "open_clip_config.json").write_text("{")
    assert_one_line(WeightsError, f"local-dir:{folder}", "cannot load open_clip model")


def test_truncated_weights(folder):
    file = folder / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    assert_one_line(WeightsError, f"local-dir:{folder}", "cannot load open_clip model")


def test_weights_of_another_shape(folder):
    config = {**CONFIG, "embed_dim": 24}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    assert_one_line(WeightsError, f"local-dir:{folder}", "size mismatch")


def test_a_tokenizer_that_is_missing(folder):
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "hf_tokenizer_name": "local"}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    assert_one_line(WeightsError, f"local-dir:{folder}", "cannot load the tokenizer")


def test_a_checkpoint_that_is_not_there(tmp_path):
    assert_one_line(WeightsError, f"ViT-B-32/{tmp_path}/none.pt", "no such checkpoint file")


class Malicious:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_a_checkpoint_is_never_unpickled(tmp_path, tiny_architecture, capsys):
    file = tmp_path / "evil.pt"
    file.write_bytes(pickle.dumps(Malicious()))
    assert_one_line(WeightsError, f"{tiny_architecture}/{file}", "cannot load open_clip model")
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["ViT-B-32", "/openai", "ViT-B-32/"])
def test_other_forms(argument):
    assert_one_line(UsageError, argument, "has none of the forms")


def test_an_unknown_architecture():
    assert_one_line(UsageError, "ViT-B-23/openai", "Did you mean 'ViT-B-32'")


def test_an_unknown_tag():
    assert_one_line(UsageError, "ViT-B-32/openay", "Did you mean 'openai'")


@pytest.mark.parametrize("argument", ["ViT-B-32/openai", "hf-hub:no-such-organisation/no-such-model"])
def test_the_hub_cannot_be_reached(argument, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert_one_line(WeightsError, argument, "cannot (load open_clip model|be fetched)")


def test_the_bundled_backbone_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(open_clip_models, "BUNDLED", tmp_path / "none")
    assert_one_line(WeightsError, "", "mafs-bench train backbone")


@pytest.mark.parametrize(
    ("argument", "quick_gelu"),
    [
        ("ViT-B-32/openai", True),
        ("ViT-B-32/laion2b_s34b_b79k", False),
        ("ViT-B-32-quickgelu/openai", True),
        ("RN50/openai", True),
    ],
)
def test_the_activation_is_that_of_the_tag(argument, quick_gelu):
    architecture, tag = argument.split("/")
    assert parse_source(argument) == Source(architecture, tag, quick_gelu)


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_the_activation_reaches_the_model(folder, tiny_architecture, quick_gelu, monkeypatch):
    tag = {"file": str(folder / "open_clip_model.safetensors"), "quick_gelu": quick_gelu}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_architecture, {"tag": tag})
    model = load_model(f"{tiny_architecture}/tag", "cpu").model
    expected = "QuickGELU" if quick_gelu else "GELU"
    for tower in (model.visual, model):
        assert type(tower.transformer.resblocks[0].mlp.gelu).__name__ == expected
