"""Forward passes of the clip adapter: independent of batches, exact where texts are cut."""

import json

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.clip import Clip
from mafs_bench.errors import AdapterError

TRANSFORMER = {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64, "patch_size": None}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2}
TEXTS = [
    "",
    "a dog",
    "a small red square left of a large blue circle on a striped background at night",
    "two dogs",
    "a dog",
    " ".join(["very"] * 200) + " long",
]


def make_folder(path, vision, text, **config):
    """Write an open_clip folder with seeded random weights."""
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text, **config}
    path.mkdir()
    (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    torch.manual_seed(0)
    model_class = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    model = model_class(**config)
    save_file(model.state_dict(), path / "open_clip_model.safetensors")
    return f"local-dir:{path}"


@pytest.fixture(scope="module", params=["transformer", "resnet"])
def adapter(request, tmp_path_factory):
    vision = {"transformer": TRANSFORMER, "resnet": RESNET}[request.param]
    return Clip.load(make_folder(tmp_path_factory.mktemp("clip") / "model", vision, TEXT), Settings())


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(("batch", "rows"), [(1, 3), (7, 21), (64, 64)])
def test_image_vectors_do_not_depend_on_the_batch(adapter, threads, batch, rows):
    size = adapter.preprocess(np.zeros((40, 50, 3), np.uint8)).shape
    pixels = np.random.default_rng(0).normal(size=(70, *size)).astype(np.float32)
    whole = adapter.encode_pixels(pixels)
    parts = [adapter.encode_pixels(pixels[start : start + batch]) for start in range(0, rows, batch)]
    assert np.array_equal(np.concatenate(parts), whole[:rows])


@pytest.mark.parametrize("batch", [1, 7])
def test_text_vectors_do_not_depend_on_the_batch(adapter, threads, batch):
    texts = [*TEXTS, *(f"{'small ' * (index % 9)}dog number {index}" for index in range(15))]
    whole = adapter.encode_texts(texts).vectors
    parts = [
        adapter.encode_texts(texts[start : start + batch]).vectors for start in range(0, len(texts), batch)
    ]
    assert np.array_equal(np.concatenate(parts), whole)


VARIANTS = {
    "argmax": ({}, {}),
    "eos": ({"pool_type": "eos", "eos_id": 49407}, {}),
    "custom": ({}, {"custom_text": True}),
    "custom-projection-bias": ({"proj_bias": True}, {"custom_text": True}),
    "last-non-causal": ({"pool_type": "last", "no_causal_mask": True}, {}),
    "class-token": ({"embed_cls": True}, {"custom_text": True}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_cut_texts_give_open_clips_vectors(variant, tmp_path):
    text, config = VARIANTS[variant]
    argument = make_folder(tmp_path / "model", TRANSFORMER, {**TEXT, **text}, **config)
    model = open_clip.create_model(argument, require_pretrained=True).eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(argument)(TEXTS), normalize=True).numpy()
    got = Clip.load(argument, Settings()).encode_texts(TEXTS)
    assert np.abs(got.vectors - expected).max() < 1e-6
    assert got.present.tolist() == [text != "" for text in TEXTS]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_close(tmp_path, precision):
    argument = make_folder(tmp_path / "model", TRANSFORMER, TEXT)
    pixels = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
    full = Clip.load(argument, Settings()).encode_pixels(pixels)
    half = Clip.load(argument, Settings(precision=precision)).encode_pixels(pixels)
    assert (full * half).sum(axis=1).min() > 0.999
    assert not np.array_equal(full, half)


def test_a_vector_that_is_not_finite_is_named(adapter):
    size = adapter.preprocess(np.zeros((40, 50, 3), np.uint8)).shape
    pixels = np.zeros((5, *size), np.float32)
    pixels[3] = np.nan
    with pytest.raises(AdapterError, match="non-finite embedding of image 3"):
        adapter.encode_pixels(pixels)


def test_fixed_fusion_is_the_normalised_mean(adapter):
    images = adapter.encode_texts(["a dog", "a cat"])
    texts = adapter.encode_texts(["a tree", "a cat"])
    fused = adapter.fuse(images, texts)
    assert np.allclose(fused.vectors[1], texts.vectors[1], atol=1e-6)
    assert np.allclose(fused.vectors[0] @ images.vectors[0], fused.vectors[0] @ texts.vectors[0], atol=1e-6)
    assert fused.diagnostics["alpha_image"].tolist() == [0.5, 0.5]


def test_text_signals_rise_with_character_noise(adapter):
    signals = adapter.encode_texts(["a small red square", "a smqll rwd sqyare", ""]).signals
    assert signals["text_fertility"].tolist()[::2] == [1.0, 0.0]
    assert signals["text_fertility"][1] > 1
    assert signals["text_words"].tolist() == [4, 4, 0]
