"""Reading of ALBEF checkpoints: the official formats, and one line for everything else."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from mafs_bench.adapters.albef.adapter import Albef
from mafs_bench.adapters.albef.bert import BertConfig, LanguageHead
from mafs_bench.adapters.albef.checkpoint import read_checkpoint
from mafs_bench.adapters.albef.model import AlbefRetrieval, AlbefVqa, VisionConfig
from mafs_bench.adapters.albef.text import MAX_TOKENS, Tokenizer, clean_caption, clean_question
from mafs_bench.adapters.albef.vit import resize_positions
from mafs_bench.adapters.base import Settings
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.recipes.baseline_data import make_vocabulary

VOCABULARY = make_vocabulary(["a red dog on the table", "what is it", "yes no"])
VISION = VisionConfig(size=32, patch=16, width=16, depth=2, heads=2)
BERT = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=40,
    fusion_layer=1,
    encoder_width=16,
)
IMAGES = [np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8) for seed in range(5)]
TEXTS = ["a red dog", "", "the table, it is red!", "dgo", "a " * 60]


def write(folder, name, state):
    folder.mkdir(exist_ok=True)
    config = {"image_res": 32, "k_test": 2}
    torch.save({"model": state, "optimizer": {}, "config": config, "epoch": 3}, folder / f"{name}.pth")
    (folder / f"{name}.json").write_text(json.dumps({"vision": asdict(VISION)}))
    (folder / "config_bert.json").write_text(json.dumps(asdict(BERT)))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    return folder / f"{name}.pth"


@pytest.fixture(scope="module")
def retrieval_state():
    torch.manual_seed(0)
    return AlbefRetrieval(VISION, BERT, 8).state_dict()


@pytest.fixture(scope="module")
def vqa_state():
    torch.manual_seed(1)
    return AlbefVqa(VISION, BERT, 3).state_dict()


@pytest.fixture
def folder(tmp_path, retrieval_state, vqa_state):
    write(tmp_path, "a", vqa_state)
    write(tmp_path, "b", retrieval_state)
    return tmp_path


def test_a_folder_holds_both_models(folder):
    adapter = Albef.load(str(folder), Settings())
    assert adapter.rerank == 2
    assert len(adapter.encode_images(IMAGES)) == len(adapter.encode_texts(TEXTS)) == 5
    adapter.prepare_answers(("yes", "no", "red"))
    answers = adapter.answer(IMAGES[:2], ["what is it?", ""], np.ones((2, 2), dtype=bool))
    assert {answer.text for answer in answers} <= {"yes", "no", "red"}


def test_a_pretraining_checkpoint_is_the_same_model(tmp_path, retrieval_state):
    plain = write(tmp_path / "plain", "model", retrieval_state)
    language = {f"text_encoder.cls.{name}": value for name, value in LanguageHead(BERT).state_dict().items()}
    pretraining = {
        **{name.replace("text_encoder.", "text_encoder.bert."): v for name, v in retrieval_state.items()},
        **{name.replace("visual_encoder.", "visual_encoder_m."): v for name, v in retrieval_state.items()},
        **language,
        "temp": torch.tensor(0.07),
        "image_queue": torch.zeros(8, 4),
        "queue_ptr": torch.zeros(1, dtype=torch.long),
        "text_encoder.bert.embeddings.position_ids": torch.arange(40)[None],
        "vision_proj_m.weight": torch.zeros(8, 16),
    }
    other = write(tmp_path / "pretraining", "model", pretraining)
    a, b = (Albef.load(str(path), Settings()) for path in (plain, other))
    np.testing.assert_array_equal(a.encode_images(IMAGES).vectors, b.encode_images(IMAGES).vectors)
    np.testing.assert_array_equal(a.encode_texts(TEXTS).vectors, b.encode_texts(TEXTS).vectors)
    assert a.weights != b.weights


def test_half_precision_is_read_as_float32(tmp_path, retrieval_state):
    path = write(tmp_path, "half", {name: value.half() for name, value in retrieval_state.items()})
    model = read_checkpoint(path).build()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_sizes_are_read_off_the_shapes(tmp_path, retrieval_state):
    path = write(tmp_path, "model", retrieval_state)
    path.with_suffix(".json").unlink()
    torch.save({"model": retrieval_state}, path)
    checkpoint = read_checkpoint(path)
    assert (checkpoint.vision.size, checkpoint.vision.depth, checkpoint.vision.width) == (32, 2, 16)
    assert checkpoint.k_test == 128
    assert not checkpoint.answers


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    torch.save({"model": {"x": Payload()}}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth cannot be read"):
        read_checkpoint(tmp_path / "evil.pth")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.zeros(2)}, "no ALBEF checkpoint"),
        (torch.zeros(3), "no checkpoint but a Tensor"),
    ],
)
def test_other_files_are_refused(tmp_path, state, message):
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(tmp_path / "other.pth")


def test_missing_parameters_are_named(tmp_path, retrieval_state):
    state = {name: value for name, value in retrieval_state.items() if name != "itm_head.bias"}
    with pytest.raises(WeightsError, match=r"itm_head\.bias"):
        read_checkpoint(write(tmp_path, "model", state)).build()


def test_what_is_not_there_is_said(tmp_path, folder, retrieval_state, vqa_state):
    with pytest.raises(WeightsError, match="no such checkpoint file"):
        Albef.load(str(tmp_path / "none.pth"), Settings())
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="no checkpoint"):
        Albef.load(str(tmp_path / "empty"), Settings())
    only_answers = Albef.load(str(folder / "a.pth"), Settings())
    with pytest.raises(WeightsError, match="no checkpoint of retrieval"):
        only_answers.encode_texts(["a dog"])
    with pytest.raises(UsageError, match="names no answer"):
        only_answers.prepare_answers(())
    write(folder, "c", vqa_state)
    with pytest.raises(WeightsError, match="more than one checkpoint of a kind"):
        Albef.load(str(folder), Settings())


def test_nothing_depends_on_the_batch(folder):
    adapter = Albef.load(str(folder), Settings())
    images, texts = adapter.encode_images(IMAGES), adapter.encode_texts(TEXTS)
    alone = [adapter.encode_images([image]).vectors[0] for image in IMAGES]
    np.testing.assert_array_equal(images.vectors, np.stack(alone))
    one_by_one = [adapter.score_pairs(images.take(row), texts.take(row)) for row in np.arange(5)[:, None]]
    np.testing.assert_array_equal(adapter.score_pairs(images, texts), np.concatenate(one_by_one))


def test_reduced_precision_stays_close(folder):
    exact, reduced = (
        Albef.load(str(folder), Settings(precision=precision)) for precision in ("fp32", "bf16")
    )
    a, b = exact.encode_images(IMAGES), reduced.encode_images(IMAGES)
    assert np.abs(a.vectors - b.vectors).max() < 0.05
    assert b.states["tokens"].dtype == np.float16


def test_positions_of_the_same_grid_are_kept_and_others_interpolated():
    positions = torch.randn(1, 17, 4)
    assert resize_positions(positions, 16) is positions
    larger = resize_positions(positions, 36)
    assert larger.shape == (1, 37, 4)
    torch.testing.assert_close(larger[:, 0], positions[:, 0])
    constant = resize_positions(torch.ones(1, 17, 4), 36)
    torch.testing.assert_close(constant, torch.ones(1, 37, 4))


def test_captions_have_cls_and_no_sep(folder):
    ids, mask = Tokenizer.load(folder / "vocab.txt").captions(TEXTS)
    assert ids.shape == (5, MAX_TOKENS)
    assert set(ids[:, 0]) == {VOCABULARY.index("[CLS]")}
    assert VOCABULARY.index("[SEP]") not in ids
    assert mask.sum(axis=1).tolist()[:2] == [4, 1]
    assert mask[4].sum() == MAX_TOKENS


def test_clean_up():
    assert clean_caption(" The  dog's <person> re-run/it: OK!\n") == "the dogs person re run it ok"
    assert clean_question("Is  it-so?  ") == "is  it so"
    assert len(clean_caption("word " * 50).split()) == 30


def test_the_identity_covers_settings_and_vocabulary(tmp_path, retrieval_state):
    path = write(tmp_path / "m", "retrieval", retrieval_state)
    before = Albef.load(str(path), Settings()).weights
    assert Albef.load(str(path), Settings()).weights == before
    for name, old, new in (
        ("vocab.txt", VOCABULARY[-1], "other"),
        ("config_bert.json", '"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-05'),
        ("retrieval.json", '"heads": 2', '"heads": 4'),
    ):
        file = path.with_name(name)
        text = file.read_text()
        assert old in text, text
        file.write_text(text.replace(old, new))
        assert Albef.load(str(path), Settings()).weights != before, name
        file.write_text(text)
