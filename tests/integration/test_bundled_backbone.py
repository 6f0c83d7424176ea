"""The bundled backbone does what its card says."""

import re
from pathlib import Path

import numpy as np
import pytest

import mafs_bench
from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.clip import Clip
from mafs_bench.datasets.resolve import resolve

FOLDER = Path(mafs_bench.__file__).parent / "weights" / "clip_scenes"


@pytest.fixture(scope="module")
def model():
    return Clip.load("", Settings())


@pytest.fixture(scope="module")
def scenes():
    return resolve("scenes")


@pytest.fixture(scope="module")
def images(scenes):
    return [sample.image.load() for sample in scenes.samples]


def first_hits(model, scenes, images):
    """Share of captions whose nearest image is one that they are true of."""
    vectors = model.encode_images(images)
    count = len(images)
    captions = [text for sample in scenes.samples[:count] for text in sample.captions]
    nearest = (model.encode_texts(captions).vectors @ vectors.T).argmax(1)
    true = scenes.relevance.caption_images
    return np.mean([image in true[number] for number, image in enumerate(nearest)])


@pytest.fixture(scope="module")
def on_the_card():
    row = re.search(r"^\| (\d+\.\d(?: \| \d+\.\d){5}) \|$", (FOLDER / "card.md").read_text(), re.MULTILINE)
    return [float(value) / 100 for value in row.group(1).split(" | ")]


def test_the_card_tells_a_brittle_but_useful_model(on_the_card):
    clean, *noisy = on_the_card
    assert 0.55 <= clean <= 0.95
    assert [clean, *noisy] == sorted([clean, *noisy], reverse=True)
    assert 0.05 < noisy[-1] < 0.6 * clean


def test_clean_retrieval_is_what_the_card_says(model, scenes, images, on_the_card):
    assert first_hits(model, scenes, images) == pytest.approx(on_the_card[0], abs=0.003)


def test_strong_noise_hurts(model, scenes, images):
    some = images[:150]
    rng = np.random.default_rng(0)
    noisy = [np.clip(x + 255 * 0.38 * rng.standard_normal(x.shape), 0, 255).astype(np.uint8) for x in some]
    clean, hurt = first_hits(model, scenes, some), first_hits(model, scenes, noisy)
    assert 10 / len(some) < hurt < 0.75 * clean


def test_the_files_are_small():
    assert (FOLDER / "open_clip_model.safetensors").stat().st_size < 12_000_000
    assert sum(p.numel() for p in model_parameters()) == pytest.approx(2.16e6, rel=0.01)


def model_parameters():
    import open_clip

    return open_clip.create_model(f"local-dir:{FOLDER}").parameters()
