"""The training of the bundled backbone, on a handful of scenes."""

import json
import shlex

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.clip import Clip
from mafs_bench.datasets.scenes.captions import write_captions
from mafs_bench.datasets.scenes.world import make_world, scenes_of
from mafs_bench.errors import TrainingError, WeightsError
from mafs_bench.recipes import backbone_data as data
from mafs_bench.recipes.backbone import BackboneBudget, contrastive_loss, train_backbone
from mafs_bench.recipes.backbone_model import build, read

BUDGET = BackboneBudget(
    image_steps=2,
    image_batch=8,
    text_steps=2,
    text_batch=8,
    align_steps=(1, 1),
    align_batch=8,
    editions=1,
    limit=20,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("backbone")
    train_backbone(out / "model", out / "cache", 0, BUDGET, lambda line: None)
    return out


def test_open_clip_loads_what_was_written(folder):
    spec = f"local-dir:{folder / 'model'}"
    model, _, preprocess = open_clip.create_model_and_transforms(spec)
    tokenizer = open_clip.get_tokenizer(spec)
    ids = tokenizer(["two red stars", "Zürich ✓ qwxzj"])
    assert ids.shape == (2, 48)
    assert (ids == ids.max()).sum(1).tolist() == [1, 1]
    assert model.eval().encode_text(ids).shape == (2, 256)
    assert preprocess.transforms[0].size == 128


def test_same_seed_same_bytes(folder, tmp_path):
    train_backbone(tmp_path, folder / "cache", 0, BUDGET, lambda line: None)
    for name in ("open_clip_model.safetensors", "open_clip_config.json", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (folder / "model" / name).read_bytes()


def test_weights_are_half_precision_and_keep_running_statistics(folder):
    state = load_file(folder / "model" / "open_clip_model.safetensors")
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    assert "visual.layer1.0.bn1.running_var" in state


def test_the_pixels_learned_from_are_those_of_the_model(folder):
    """Cached pixels equal what the adapter's preprocessing makes of the same scene."""
    adapter = Clip.load(f"local-dir:{folder / 'model'}", Settings())
    shown = data.pictures(folder / "cache", 20)
    image = data.SceneImage("train", 3).load()
    mean, deviation = (
        np.array(x)[:, None, None] for x in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    seen = (adapter.preprocess(image) * deviation + mean) * 255
    assert np.abs(seen - shown.pixels[3].transpose(2, 0, 1)).max() < 0.01


def test_cut_texts_are_exact():
    torch.manual_seed(0)
    model = build(300).eval()
    ids = torch.zeros(2, 48, dtype=torch.int64)
    ids[:, :5] = torch.tensor([[5, 6, 7, 8, 299], [9, 9, 299, 0, 0]])
    assert torch.allclose(read(model, ids[:, :5]), model.encode_text(ids), atol=1e-5)


def test_scene_targets_say_what_stands_where():
    world = make_world("val")
    targets = data.scene_targets(world)
    for index, scene in enumerate(scenes_of(world, 20)):
        counts = [0, 0, 0, 0]
        for shape, colour, size, texture, count, position in scene.groups:
            assert targets.quarters[index, position].tolist() == [shape, colour, size, texture, count + 1]
            counts[position] = count + 1
        assert targets.quarters[index, :, -1].tolist() == counts


def test_claim_targets_are_the_bits():
    claims = write_captions(scenes_of(make_world("val"), 4), "val")[1]
    targets = data.claim_targets(claims)
    assert targets.shape == (20, 97)
    for row, claim in zip(targets.tolist(), claims, strict=True):
        assert sum(int(bit) << k for k, bit in enumerate(row[:46])) == claim.first
        assert sum(int(bit) << k for k, bit in enumerate(row[46:92])) == claim.second
        assert row[92:].index(1) == claim.relation


def test_true_pairs_are_no_negatives():
    logits = torch.tensor([[2.0, 9.0], [0.5, 1.0]])
    truth = torch.tensor([[True, True], [False, True]])
    expected = (-torch.log_softmax(torch.tensor([0.5, 1.0]), 0)[1]) / 2
    expected = (expected + -torch.log_softmax(torch.tensor([2.0, 0.5]), 0)[0] / 2) / 2
    assert contrastive_loss(logits, truth) == pytest.approx(expected.item(), abs=1e-6)


def test_the_card_holds_the_whole_command_and_the_data(folder):
    card = json.loads((folder / "model" / "card.json").read_text())
    arguments = shlex.split(card["command"])
    assert arguments[:3] == ["mafs-bench", "train", "backbone"]
    given = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    assert given == {
        "--out": str(folder / "model"),
        "--cache": str(folder / "cache"),
        "--seed": "0",
        "--image-steps": "2",
        "--text-steps": "2",
        "--align-steps": "1,1",
        "--limit": "20",
    }
    assert {(data["name"], data["split"]) for data in card["training_data"]} >= {
        ("scenes", "train"),
        ("scenes:night", "train"),
    }


def test_damaged_pixels_are_drawn_again(tmp_path):
    right = np.array(data.pictures(tmp_path, 3).pixels)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    np.testing.assert_array_equal(data.pictures(tmp_path, 3).pixels, right)
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot write"):
        train_backbone(tmp_path / "file" / "out", tmp_path / "cache", 0, BUDGET, lambda line: None)
    assert not (tmp_path / "cache").exists()


def test_a_loss_that_is_not_a_number_stops_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr("mafs_bench.recipes.backbone.SceneHead.loss", lambda *inputs: torch.tensor(torch.nan))
    with pytest.raises(TrainingError, match="the loss of step 1 of 2 is nan"):
        train_backbone(tmp_path / "out", tmp_path / "cache", 0, BUDGET, lambda line: None)
    assert not (tmp_path / "out").exists()
