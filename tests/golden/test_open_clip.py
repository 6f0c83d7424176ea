"""The clip adapter against stored outputs of open_clip 3.3.0, and against open_clip itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.clip import Clip

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
TOLERANCE = 1e-4

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "open_clip.npz").is_file(),
    reason="the golden outputs of open_clip are not beside the repository",
)


@pytest.fixture(scope="module", params=["clip_tiny", "siglip_tiny"])
def folder(request):
    return request.param


@pytest.fixture(scope="module")
def adapter(folder):
    return Clip.load(f"local-dir:{GOLDEN / folder}", Settings())


@pytest.fixture(scope="module")
def stored(folder):
    arrays = np.load(GOLDEN / "open_clip.npz")
    return {name.removeprefix(f"{folder}_"): arrays[name] for name in arrays if name.startswith(folder)}


@pytest.fixture(scope="module")
def images():
    arrays = np.load(GOLDEN / "albef_retrieval.npz")
    return [arrays[f"image_{index}"] for index in range(6)]


@pytest.fixture(scope="module")
def captions():
    return json.loads((GOLDEN / "blip.json").read_text())["captions"]


def test_pixels_are_identical(adapter, stored, images):
    assert np.array_equal(np.stack([adapter.preprocess(image) for image in images]), stored["pixels"])


def test_token_ids_are_identical(adapter, stored, captions):
    assert np.array_equal(adapter.tokenize(captions), stored["ids"])


def test_image_vectors(adapter, stored, images):
    assert np.abs(adapter.encode_images(images) - stored["image"]).max() < TOLERANCE


def test_text_vectors(adapter, stored, captions):
    assert np.abs(adapter.encode_texts(captions).vectors - stored["text"]).max() < TOLERANCE


def test_logits(adapter, stored, images, captions):
    cosines = adapter.encode_images(images) @ adapter.encode_texts(captions).vectors.T
    logits = adapter.logit_scale * cosines + adapter.logit_bias
    assert np.abs(logits - stored["logits"]).max() < TOLERANCE
