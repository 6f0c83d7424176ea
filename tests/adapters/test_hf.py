"""Tiny CLIP and SigLIP checkpoints of transformers, against transformers itself."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image as PILImage
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mafs_bench.adapters.adapter_check import check_adapter
from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import adapter_class, load
from mafs_bench.errors import UsageError, WeightsError
from tests.contract.test_adapters import make_dataset

TEXTS = ["a dog", "two dogs run over a very long green field of grass " * 5, "", "A Dog!"]
CONTEXT = 16
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    letters = [chr(code) for code in range(32, 127)]
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<bos>", "<eos>", "<unk>", *letters])}
    fast = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )


def write(folder: Path, kind: str) -> Path:
    torch.manual_seed(0)
    text = {
        **SIZES,
        "vocab_size": 110,
        "max_position_embeddings": CONTEXT,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        config = transformers.CLIPConfig(
            text_config={**text, "bos_token_id": 1}, vision_config=vision, projection_dim=24
        )
        model: torch.nn.Module = transformers.CLIPModel(config)
        processor: object = transformers.CLIPImageProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    else:
        config = transformers.SiglipConfig(text_config={**text, "projection_size": 32}, vision_config=vision)
        model = transformers.SiglipModel(config)
        processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hf") / request.param, request.param)


def noise() -> list[np.ndarray]:
    return [sample.image.load() for sample in make_dataset(4).samples]


def test_vectors_and_probabilities_are_those_of_transformers(folder: Path) -> None:
    adapter = load(f"hf:{folder}", Settings())
    model = transformers.AutoModel.from_pretrained(folder).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    tokens = words(TEXTS, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")[
        "input_ids"
    ]
    pixels = processor(images=[PILImage.fromarray(image) for image in noise()], return_tensors="pt")
    with torch.inference_mode():
        expected = model(input_ids=tokens, pixel_values=pixels["pixel_values"])
    images = adapter.encode_pixels(np.stack([adapter.preprocess(image) for image in noise()]))
    texts = adapter.encode_texts(TEXTS)
    assert np.abs(images - expected.image_embeds.numpy()).max() < 1e-5
    assert np.abs(texts.vectors - expected.text_embeds.numpy()).max() < 1e-5
    assert texts.present.tolist() == [True, True, False, True]
    assert adapter.supports("match_probabilities") == (folder.name == "siglip")
    if folder.name == "siglip":
        aligned = expected.logits_per_image.diagonal().sigmoid().numpy()
        pairs = type(texts)(images, texts.present)
        assert np.abs(adapter.match_probabilities(pairs, texts) - aligned).max() < 1e-5


def test_it_passes_every_check(folder: Path) -> None:
    checks = list(check_adapter(f"hf:{folder}", Settings(), make_dataset(6)))
    assert [f"{check.name}: {check.detail}" for check in checks if not check.passed] == []


def test_identity_covers_weights_and_preprocessing(folder: Path, tmp_path: Path) -> None:
    first = load(f"hf:{folder}", Settings())
    assert pickle.loads(pickle.dumps(first.preprocess))(noise()[0]).dtype == np.float32
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert load(f"hf:{tmp_path}", Settings()).weights == first.weights
    config = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, "image_mean": [0.1, 0.1, 0.1]}))
    assert load(f"hf:{tmp_path}", Settings()).weights != first.weights


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="name one: hf:FOLDER"):
        load("hf", Settings())
    with pytest.raises(WeightsError, match="no such folder"):
        load(f"hf:{tmp_path}/none", Settings())
    with pytest.raises(WeightsError, match=r"no model_type in config\.json"):
        load(f"hf:{tmp_path}", Settings())
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match=r"is a text-only model \(bert\): it cannot be shown an image"):
        load(f"hf:{tmp_path}", Settings())
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    with pytest.raises(WeightsError, match=r"a model of the type 'dinov2'; hf: loads clip and siglip"):
        load(f"hf:{tmp_path}", Settings())
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"no \*\.safetensors"):
        load(f"hf:{tmp_path}", Settings())


def test_offline_the_line_ends_in_the_download_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"network: hf download some-org/some-clip --revision v1$"):
        load("hf:some-org/some-clip@v1", Settings())


def test_what_is_named_without_a_kind_is_said_with_what_to_type(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    for spec, typed in (
        (str(folder), f"hf:{folder}"),
        (str(tmp_path), f"clip:local-dir:{tmp_path}"),
        ("openai/clip-vit-base-patch32", "hf:openai/clip-vit-base-patch32"),
        (__file__, f"{__file__}:ClassName"),
    ):
        with pytest.raises(UsageError, match=f"--model {typed}"):
            adapter_class(spec)
    for spec in ("openai/clip-vit-base-patch32", "ViT-B-32/no-such-tag"):
        with pytest.raises(UsageError, match=f"is hf:{spec}$"):
            load(f"clip:{spec}", Settings())
