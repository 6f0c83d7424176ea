"""Training of the bundled baselines: the losses, the data, and a run of two steps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss

from mafs_bench.adapters.albef.adapter import Albef
from mafs_bench.adapters.albef.text import Tokenizer
from mafs_bench.adapters.blip.adapter import Blip
from mafs_bench.adapters.protocols import Settings
from mafs_bench.datasets.scenes import load
from mafs_bench.training.albef import train_albef
from mafs_bench.training.baseline_data import SPECIAL, SceneBatches, make_vocabulary
from mafs_bench.training.baseline_loop import Budget
from mafs_bench.training.baseline_losses import contrastive, hard_negatives
from mafs_bench.training.baseline_measure import add_measured
from mafs_bench.training.blip import train_blip

TINY = Budget(steps=2, scene_steps=2, batch_size=8, limit=16)


def units(seed):
    vectors = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=1)


def test_contrast_is_clips_where_only_own_pairs_are_true():
    images, texts = units(0), units(1)
    ours = contrastive(images, texts, torch.tensor(0.1), torch.eye(6))
    torch.testing.assert_close(ours, ClipLoss()(images, texts, torch.tensor(10.0)))


def test_contrast_does_not_pull_true_pairs_apart():
    same = units(0)[:1].expand(6, -1)
    everything_true = contrastive(same, same, torch.tensor(0.1), torch.ones(6, 6))
    torch.testing.assert_close(everything_true, torch.tensor(6.0).log())


def test_negatives_are_never_true_and_mostly_hard():
    generator = torch.Generator().manual_seed(0)
    true = torch.eye(6, dtype=torch.bool)
    similarities = torch.zeros(6, 6)
    similarities[:, 2] = 8
    drawn = torch.stack([hard_negatives(similarities, true, generator) for _ in range(50)])
    assert not (drawn == torch.arange(6)).any()
    assert (drawn[:, [0, 1, 3, 4, 5]] == 2).float().mean() > 0.95


def test_every_word_of_the_scenes_is_in_the_vocabulary(tmp_path):
    dataset = load("", "val", limit=50)
    texts = [caption for sample in dataset.samples for caption in sample.captions]
    vocabulary = make_vocabulary(texts)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    ids, _ = Tokenizer.load(tmp_path / "vocab.txt").captions(texts)
    assert vocabulary[: len(SPECIAL)] == list(SPECIAL)
    assert SPECIAL.index("[UNK]") not in ids
    misspelt, _ = Tokenizer.load(tmp_path / "vocab.txt").captions(["a sqaure qx7"])
    assert SPECIAL.index("[UNK]") not in misspelt


def test_batches_know_which_captions_are_true():
    batches = SceneBatches(32, np.random.default_rng(0), limit=20)
    batch = batches.draw(12)
    assert batch.pixels.shape == (12, 3, 32, 32)
    assert batch.true.diagonal().all()
    assert batch.targets.quarters.shape[:2] == (12, 4)
    assert len(batch.captions) == len(batch.questions) == len(batch.answers) == 12


@pytest.mark.parametrize(("train", "adapter"), [(train_albef, Albef), (train_blip, Blip)])
def test_what_is_trained_loads_through_the_adapter(train, adapter, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{train.__module__}.add_measured", lambda card, model: None)
    lines = []
    card = json.loads(train(tmp_path, TINY, lines.append).read_text())
    assert card["budget"]["steps"] == 2
    assert set(card["losses over the last steps"]) >= {"contrast", "matching", "answers"}
    assert any(line.startswith("step 2/2") for line in lines)
    model = adapter.load(str(tmp_path), Settings())
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    images, texts = model.encode_images([picture]), model.encode_texts(["a red square"])
    assert 0 <= model.match_probabilities(images, texts)[0] <= 1
    model.prepare_answers(("yes", "no"))
    assert model.answer([picture], ["Is it red?"], np.ones((1, 2), dtype=bool))[0].text in ("yes", "no")


def test_the_benchmark_measures_what_goes_into_a_card(tmp_path, monkeypatch):
    monkeypatch.setattr("mafs_bench.training.baseline_measure.IMAGES", 6)
    card = tmp_path / "card.json"
    card.write_text('{"model": "none"}')
    add_measured(card, "chance")
    written = json.loads(card.read_text())
    assert written["model"] == "none"
    assert {"retrieval t2i_r1", "matching auroc", "vqa accuracy"} <= written["measured"].keys()
    assert 0 <= written["measured"]["vqa accuracy"] <= 1
