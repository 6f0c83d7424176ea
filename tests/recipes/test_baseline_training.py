"""Training of the bundled baselines: the losses, the data, and a run of two steps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss
from typer.testing import CliRunner

from mafs_bench.adapters.albef.adapter import Albef
from mafs_bench.adapters.albef.text import Tokenizer
from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.blip.adapter import Blip
from mafs_bench.cli import app
from mafs_bench.datasets.scenes import load
from mafs_bench.errors import TrainingError, WeightsError
from mafs_bench.recipes.albef import train_albef
from mafs_bench.recipes.baseline_data import QUESTIONS_A_SCENE, SPECIAL, SceneBatches, make_vocabulary
from mafs_bench.recipes.baseline_loop import Budget, Phase, optimise
from mafs_bench.recipes.baseline_losses import AgreementHead, contrastive, hard_negatives, matching_rows
from mafs_bench.recipes.baseline_measure import add_measured
from mafs_bench.recipes.blip import train_blip

TINY = Budget(scene_steps=2, claim_steps=2, steps=2, batch_size=8, limit=16)


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


def test_matching_pairs_are_half_true_and_half_hard():
    true = torch.eye(6, dtype=torch.bool)
    images, texts, labels = matching_rows(torch.zeros(6, 6), true, torch.Generator().manual_seed(0))
    assert labels.tolist() == [1] * 6 + [0] * 6
    assert true[images, texts].tolist() == [True] * 6 + [False] * 6
    assert images[6::2].tolist() == [0, 2, 4]
    assert texts[7::2].tolist() == [1, 3, 5]


def test_whatever_a_true_caption_speaks_of_is_in_its_picture():
    batches = SceneBatches(32, limit=40)
    batches.encode(lambda pixels: pixels.flatten(2).transpose(1, 2))
    batch = batches.draw(40, np.random.default_rng(0))
    head = AgreementHead(4)
    torch.nn.init.zeros_(head.fields.weight)
    torch.nn.init.constant_(head.fields.bias, 20.0)
    assert head(torch.zeros(40, 1, 4), batch.claims, batch.facts) < 1e-6, "sure of everything, and right"
    others = head(torch.zeros(40, 1, 4), batch.claims, batch.facts.roll(1, 0))
    assert others > 20 * 0.1, "of another picture much is not true"


def test_batches_know_which_captions_are_true():
    batches = SceneBatches(32, limit=20)
    batches.encode(lambda pixels: pixels.flatten(2).transpose(1, 2))
    batch = batches.draw(12, np.random.default_rng(0))
    assert batch.states.shape == (12, 32 * 32, 3)
    assert batch.true.diagonal().all()
    assert batch.claims.shape == (12, 97)
    assert len(batch.captions) == 12
    assert len(batch.questions) == len(batch.answers) == 12 * QUESTIONS_A_SCENE
    pixels, quarters, facts = batches.pictures(12, np.random.default_rng(0))
    np.testing.assert_allclose(pixels.flatten(2).transpose(1, 2), batch.states, atol=2e-3)
    assert quarters.shape == (12, 4, 5)
    torch.testing.assert_close(facts, batch.facts)


def one_layer(folder, steps, log=lambda line: None, stop_at=None):
    """Fit one layer to batches that depend on their step alone; break off before a step where asked to."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 1)

    def losses(step):
        if step == stop_at:
            raise KeyboardInterrupt
        inputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        return {"error": (layer(inputs) - inputs.sum(1, keepdim=True)).square().mean()}

    run = optimise([layer], losses, Phase("joint", steps, folder / "joint.pt"), Budget(), log)
    return layer.weight.detach().clone(), run


def test_a_broken_off_training_goes_on_as_if_nothing_had_happened(tmp_path):
    whole, run = one_layer(tmp_path / "whole", 60)
    with pytest.raises(KeyboardInterrupt):
        one_layer(tmp_path / "broken", 60, stop_at=40)
    lines = []
    resumed, again = one_layer(tmp_path / "broken", 60, lines.append)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    assert run.losses == again.losses
    assert [line.split()[1] for line in lines] == ["50/60", "60/60"], (
        "what the checkpoint holds is not redone"
    )


def test_a_checkpoint_of_another_schedule_is_not_taken_up(tmp_path):
    one_layer(tmp_path, 30)
    lines = []
    one_layer(tmp_path, 50, lines.append)
    assert "is of another training" in lines[0]
    assert lines[1].split()[1] == "25/50"


@pytest.mark.parametrize(("train", "adapter"), [(train_albef, Albef), (train_blip, Blip)])
def test_what_is_trained_loads_through_the_adapter(train, adapter, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{train.__module__}.add_measured", lambda card, model: None)
    lines = []
    card = json.loads(train(tmp_path, TINY, lines.append).read_text())
    assert card["budget"]["steps"] == 2
    assert set(card["phases"]["joint"]["losses over the last steps"]) >= {"contrast", "matching", "answers"}
    assert "--scene-steps 2 --claim-steps 2 --steps 2 --batch-size 8 --seed 0 --limit 16" in card["command"]
    assert [line.split()[:2] for line in lines if "/2" in line] == [[p, "2/2"] for p in card["phases"]]
    assert not (tmp_path / "checkpoints").exists()
    model = adapter.load(str(tmp_path), Settings())
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    images, texts = model.encode_images([picture]), model.encode_texts(["a red square"])
    assert 0 <= model.match_probabilities(images, texts)[0] <= 1
    mean = images.vectors + texts.vectors
    np.testing.assert_allclose(model.fuse(images, texts).vectors, mean / np.linalg.norm(mean), atol=1e-6)
    model.prepare_answers(("yes", "no"))
    assert model.answer([picture], ["Is it red?"], np.ones((1, 2), dtype=bool))[0].text in ("yes", "no")


def test_the_benchmark_measures_what_goes_into_a_card(tmp_path, monkeypatch):
    monkeypatch.setattr("mafs_bench.recipes.baseline_measure.IMAGES", 6)
    card = tmp_path / "card.json"
    card.write_text('{"model": "none"}')
    add_measured(card, "chance")
    written = json.loads(card.read_text())
    assert written["model"] == "none"
    assert {"retrieval t2i_r1", "matching auroc", "vqa accuracy"} <= written["measured"].keys()
    assert 0 <= written["measured"]["vqa accuracy"] <= 1


def test_a_training_whose_loss_is_not_a_number_is_stopped(tmp_path):
    layer = torch.nn.Linear(3, 1)

    def losses(step):
        value = layer(torch.ones(2, 3)).sum()
        return {"fine": value, "error": value * (float("nan") if step == 3 else 1)}

    with pytest.raises(TrainingError, match="the loss of step 3 of 9 is nan"):
        optimise([layer], losses, Phase("joint", 9, tmp_path / "joint.pt"), Budget(), print)
    assert torch.isfinite(layer.weight).all()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_made_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        one_layer(tmp_path, 60, stop_at=40)
    file = tmp_path / "joint.pt"
    file.write_bytes(file.read_bytes()[:300])
    lines = []
    resumed, _ = one_layer(tmp_path, 60, lines.append)
    torch.testing.assert_close(resumed, one_layer(tmp_path / "whole", 60)[0], rtol=0, atol=0)
    assert "joint.pt is damaged" in lines[0]


@pytest.mark.parametrize("other", [{"batch_size": 16}, {"learning_rate": 1.0}, {"seed": 1}])
def test_a_checkpoint_of_another_budget_is_not_taken_up(tmp_path, other):
    layer = torch.nn.Linear(3, 1)
    phase = Phase("joint", 25, tmp_path / "joint.pt")

    def fit(budget, lines):
        optimise([layer], lambda step: {"error": layer(torch.ones(2, 3)).sum()}, phase, budget, lines.append)

    fit(Budget(), [])
    again, lines = [], []
    fit(Budget(), again)
    fit(Budget(**other), lines)
    assert again == []
    assert [line.split()[1] for line in lines[1:]] == ["25/25"]
    assert "is of another training" in lines[0]


@pytest.mark.parametrize("train", [train_albef, train_blip])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_drawn(train, tmp_path):
    (tmp_path / "file").write_text("")
    lines = []
    with pytest.raises(WeightsError, match="cannot write"):
        train(tmp_path / "file" / "out", TINY, lines.append)
    assert lines == []


@pytest.mark.parametrize("name", ["albef", "blip"])
def test_no_training_writes_to_the_bundled_weights_by_itself(name):
    done = CliRunner().invoke(app, ["train", name])
    assert done.exit_code != 0
    assert "--out" in done.output
