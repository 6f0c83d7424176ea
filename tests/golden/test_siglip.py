"""The siglip adapter against stored outputs of open_clip 3.3.0."""

import json
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.base import Embeddings, Settings
from mafs_bench.adapters.siglip import SigLip
from mafs_bench.errors import UsageError, WeightsError

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
TOLERANCE = 1e-4

needs_golden = pytest.mark.skipif(
    not (GOLDEN / "open_clip.npz").is_file(),
    reason="the golden outputs of open_clip are not beside the repository",
)


@needs_golden
def test_match_probabilities_are_the_sigmoid_of_the_stored_logits():
    adapter = SigLip.load(f"local-dir:{GOLDEN / 'siglip_tiny'}", Settings())
    stored = np.load(GOLDEN / "open_clip.npz")
    pictures = np.load(GOLDEN / "albef_retrieval.npz")
    captions = json.loads((GOLDEN / "blip.json").read_text())["captions"]
    images = adapter.encode_images([pictures[f"image_{index}"] for index in range(6)])
    texts = adapter.encode_texts(captions)
    assert np.abs(images - stored["siglip_tiny_image"]).max() < TOLERANCE
    assert np.abs(texts.vectors - stored["siglip_tiny_text"]).max() < TOLERANCE
    row, column = np.indices((6, 8)).reshape(2, -1)
    pairs = Embeddings(images[row], np.ones(48, dtype=bool)), texts.take(column)
    expected = 1 / (1 + np.exp(-stored["siglip_tiny_logits"].astype(np.float64).ravel()))
    assert np.abs(adapter.match_probabilities(*pairs) - expected).max() < TOLERANCE


@needs_golden
def test_a_model_without_a_sigmoid_is_refused():
    with pytest.raises(UsageError, match="model for clip:local-dir"):
        SigLip.load(f"local-dir:{GOLDEN / 'clip_tiny'}", Settings())


def test_a_model_must_be_named():
    with pytest.raises(WeightsError, match="siglip:ViT-B-16-SigLIP/webli"):
        SigLip.load("", Settings())
