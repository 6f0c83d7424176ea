"""Back-translation through two tiny MarianMT models with random weights, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.corruptions.text import translation
from mafs_bench.errors import UsageError
from mafs_bench.runs.record import assets_of

BLOCK = suites.load("mm-robustness-2022@1").corruptions["back_translation"]
CAPTION = "a man is riding a horse"


def write_model(folder: Path, seed: int) -> None:
    sentencepiece = pytest.importorskip("sentencepiece", reason="MarianMT's tokenizer needs sentencepiece")
    import torch
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir()
    text = folder / "text.txt"
    text.write_text("\n".join([CAPTION, "two dogs run on the beach", "a child in a pink dress climbs"] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "m"), vocab_size=30, minloglevel=2, model_type="unigram"
    )
    pieces = [line.split("\t")[0] for line in (folder / "m.vocab").read_text().splitlines()]
    vocabulary = ["</s>", "<unk>", *[p for p in pieces if p not in ("<s>", "</s>", "<unk>")], "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: k for k, piece in enumerate(vocabulary)}))
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes((folder / "m.model").read_bytes())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"source_lang": "en", "target_lang": "de", "tokenizer_class": "MarianTokenizer"})
    )
    torch.manual_seed(seed)
    pad = len(vocabulary) - 1
    config = MarianConfig(
        vocab_size=len(vocabulary), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        max_position_embeddings=300, pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad,
        forced_eos_token_id=0,
    )  # fmt: skip
    MarianMTModel(config).eval().save_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAFS_BENCH_MARIAN", str(tmp_path))
    translation._model.cache_clear()
    translation._translate.cache_clear()
    return tmp_path


def test_there_and_back_is_deterministic(folder: Path) -> None:
    write_model(folder / "opus-mt-en-de", 0)
    write_model(folder / "opus-mt-de-en", 1)
    first = corrupt_text(CAPTION, BLOCK, (0, 1, 5), seed=0, sample_id="1#0")
    translation._translate.cache_clear()
    assert corrupt_text(CAPTION, BLOCK, (0, 1, 5), seed=9, sample_id="2#0") == first
    assert first[0] == CAPTION
    assert first[1] == first[2]
    assert isinstance(first[1], str)
    assert first[1] != CAPTION
    assert corrupt_text("  ", BLOCK, (1,), seed=0, sample_id="1#0") == [None]


def test_what_is_missing_is_said_in_one_line(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"back_translation is not available: .*opus-mt-en-de") as refused:
        corrupt_text(CAPTION, BLOCK, (1,), seed=0, sample_id="1#0")
    assert "\n" not in str(refused.value)


def test_both_models_are_hashed_for_the_record(folder: Path) -> None:
    with pytest.raises(UsageError, match="back_translation is not available"):
        assets_of([BLOCK])
    write_model(folder / "opus-mt-en-de", 0)
    write_model(folder / "opus-mt-de-en", 1)
    recorded = assets_of([BLOCK])
    assert recorded.keys() == {"opus-mt-en-de", "opus-mt-de-en"}
    assert len(set(recorded.values())) == 2
    translation._digest.cache_clear()
    (folder / "opus-mt-de-en" / "model.safetensors").write_bytes(
        (folder / "opus-mt-en-de" / "model.safetensors").read_bytes()
    )
    changed = assets_of([BLOCK])
    assert changed["opus-mt-en-de"] == recorded["opus-mt-en-de"]
    assert changed["opus-mt-de-en"] != recorded["opus-mt-de-en"]
