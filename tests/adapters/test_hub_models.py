"""Models of the hub at a revision, out of a local cache in the hub's layout, without a network."""

import json
import shutil
from copy import copy
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.blip.sources import PUBLISHED, digest, resolve
from mafs_bench.adapters.clip import Clip
from mafs_bench.adapters.open_clip_models import parse_source
from mafs_bench.errors import WeightsError

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


def add(cache: Path, repository: str, commit: str, ref: str) -> Path:
    """A snapshot that is empty yet, with a branch or tag that stands for it."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / ref).write_text(commit)
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    return snapshot


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for seed, (commit, ref) in enumerate(((OLD, "v1"), (NEW, "main"))):
        snapshot = add(tmp_path, "org/tiny-clip", commit, ref)
        (snapshot / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
        torch.manual_seed(seed)
        save_file(open_clip.CLIP(**TINY).state_dict(), snapshot / "open_clip_model.safetensors")
        snapshot = add(tmp_path, "org/tiny-blip", commit, ref)
        config = {"architectures": ["BlipForQuestionAnswering"], "seed": seed}
        (snapshot / "config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.mark.parametrize(
    ("revision", "commit"), [("", NEW), ("@main", NEW), ("@v1", OLD), (f"@{OLD}", OLD), (f"@{NEW}", NEW)]
)
def test_a_revision_becomes_its_commit(cache, revision, commit):
    source = parse_source(f"hf-hub:org/tiny-clip{revision}")
    assert source.commit == f"org/tiny-clip@{commit}"
    assert source.model.endswith(f"snapshots/{commit}")
    part = resolve(f"hf-hub:org/tiny-blip{revision}")["vqa"]
    assert str(part) == f"org/tiny-blip@{commit}"
    assert part.config["seed"] == (commit == NEW)


def test_revisions_are_different_models(cache):
    old, new = (Clip.load(f"hf-hub:org/tiny-clip@{commit}", Settings()) for commit in (OLD, NEW))
    assert old.sources == {"weights": f"org/tiny-clip@{OLD}"}
    assert old.weights != new.weights
    snapshot = cache / "models--org--tiny-clip" / "snapshots" / OLD
    folder = Clip.load(f"local-dir:{shutil.copytree(snapshot, cache / 'copy')}", Settings())
    assert (folder.weights, folder.sources) == (old.weights, {})
    (snapshot.parents[1] / "refs" / "main").unlink()  # the commit alone must do
    assert Clip.load(f"hf-hub:org/tiny-clip@{OLD}", Settings()).encode_texts(["a dog"]).vectors.shape == (
        1,
        16,
    )
    assert digest(resolve(f"hf-hub:org/tiny-blip@{OLD}")) != digest(resolve("hf-hub:org/tiny-blip"))


def test_a_tag_of_the_hub_is_recorded_with_its_commit(cache, monkeypatch):
    architecture = cache / "Tiny-32.json"
    architecture.write_text(json.dumps(TINY))
    for kept in ("_MODEL_CONFIGS", "_MODEL_CONFIG_PATHS"):
        monkeypatch.setattr(open_clip.factory, kept, copy(getattr(open_clip.factory, kept)))
    open_clip.add_model_config(architecture)
    tags = {"Tiny-32": {"mine": {"hf_hub": "org/tiny-clip/"}}}
    monkeypatch.setattr(open_clip.pretrained, "_PRETRAINED", open_clip.pretrained._PRETRAINED | tags)
    tag, commit = (Clip.load(spec, Settings()) for spec in ("Tiny-32/mine", f"hf-hub:org/tiny-clip@{NEW}"))
    assert tag.sources == commit.sources == {"weights": f"org/tiny-clip@{NEW}"}
    assert tag.encode_texts(["a dog"]).vectors.tolist() == commit.encode_texts(["a dog"]).vectors.tolist()


@pytest.mark.parametrize("name", ["org/tiny-clip@v2", f"org/tiny-clip@{'f' * 40}", "org/none"])
def test_a_revision_that_is_not_there_is_one_line(cache, name):
    for load in (lambda: parse_source(f"hf-hub:{name}"), lambda: resolve(f"hf-hub:{name}")):
        with pytest.raises(WeightsError, match=f"{name} is not in the local cache") as caught:
            load()
        assert "\n" not in str(caught.value)
        assert ("--revision" in str(caught.value)) == ("@" in name)


def test_what_a_short_name_stands_for_is_pinned():
    for name in PUBLISHED.values():
        commit = name.partition("@")[2]
        assert len(commit) == 40
        assert set(commit) <= set("0123456789abcdef")
