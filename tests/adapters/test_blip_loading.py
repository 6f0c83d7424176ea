"""Where BLIP's models come from, and how answers are ranked."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.blip.adapter import Blip
from mafs_bench.adapters.blip.models import Answering, processor_class
from mafs_bench.adapters.blip.sources import resolve
from mafs_bench.adapters.blip.text import clean_caption, clean_question
from mafs_bench.errors import WeightsError
from mafs_bench.recipes.baseline_data import make_vocabulary
from mafs_bench.recipes.blip import _config, _tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return _tokenizer(make_vocabulary(["a red dog on the table", "what is it", "yes no"]))


@pytest.fixture(scope="module")
def answering(tokenizer):
    torch.manual_seed(0)
    model = transformers.BlipForQuestionAnswering(_config(len(tokenizer))).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Answering(model, tokenizer, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    path = tmp_path_factory.mktemp("blip")
    transformers.BlipForImageTextRetrieval(_config(len(tokenizer))).save_pretrained(path / "itm")
    tokenizer.save_pretrained(path / "itm")
    processor_class()(size={"height": 96, "width": 96}).save_pretrained(path / "itm")
    return path


def test_answers_are_ranked_by_the_official_loss(answering, tokenizer):
    """transformers computes the same loss where its label smoothing is set as in the official code."""
    answers = tokenizer(["yes", "no", "red dog", "on the table", "it"], padding=True, return_tensors="pt")
    ids, mask = answers["input_ids"].clone(), answers["attention_mask"]
    ids[:, 0] = tokenizer.bos_token_id
    states = torch.randn(1, 6, 128)
    decoder = answering.model.text_decoder
    decoder.label_smoothing = 0.1
    with torch.inference_mode():
        order, shares = answering.rank(states, ids, mask, k=5)
        losses = decoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=states.expand(5, -1, -1),
            labels=ids.masked_fill(mask == 0, -100),
            reduction="none",
        ).loss
        first = decoder(input_ids=ids[:1, :1], encoder_hidden_states=states).logits[0, 0]
        few, _ = answering.rank(states, ids, mask, k=2)
    torch.testing.assert_close(shares, (-losses).softmax(dim=0)[order])
    assert order.tolist() == losses.argsort().tolist()
    assert set(few.tolist()) == set(first[ids[:, 1]].topk(2).indices.tolist())


def test_a_folder_is_searched_for_its_parts(folder):
    assert list(resolve(str(folder))) == list(resolve(str(folder / "itm"))) == ["itm"]
    adapter = Blip.load(str(folder), Settings())
    assert adapter.sources == {}  # commits of the hub; a folder has none
    assert len(adapter.weights) == 64


def test_a_part_that_is_not_there_is_named(folder):
    adapter = Blip.load(str(folder), Settings())
    with pytest.raises(WeightsError, match=r"no model of captions.*caption/.*there: itm"):
        adapter.caption([np.zeros((8, 8, 3), dtype=np.uint8)], [""])


def test_the_weights_hash_follows_the_files(folder, tmp_path):
    before = Blip.load(str(folder), Settings()).weights
    config = folder / "itm" / "config.json"
    text = config.read_text()
    try:
        config.write_text(text + "\n")
        assert Blip.load(str(folder), Settings()).weights != before
    finally:
        config.write_text(text)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no BLIP model here"):
        resolve(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    with pytest.raises(WeightsError, match="of BertModel; BLIP's are BlipForImageTextRetrieval"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("argument", ["base", "hf-hub:nobody/blip-that-is-nowhere"])
def test_without_a_network_one_line_says_what_to_do(argument, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="hf download"):
        resolve(argument)


def test_parameters_that_are_missing_are_no_random_weights(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "itm"
    copy.mkdir()
    for file in (folder / "itm").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    state = load_file(copy / "model.safetensors")
    del state["itm_head.weight"]
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks parameters: itm_head\.weight"):
        Blip.load(str(copy), Settings()).encode_texts(["a dog"])


def test_clean_up():
    assert clean_caption("A dog: (red)!  on-it.\n") == "a dog red on-it"
    assert clean_question("What, then? (So!) ") == "what, then? so"
