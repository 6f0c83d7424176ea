"""A model that reads image and text together: matching, and the order of the best candidates of a first stage."""

import hashlib
from collections import Counter

import numpy as np
import pytest

import mafs_bench as mb
from mafs_bench.adapters.base import Adapter
from mafs_bench.datasets.resolve import resolve
from tests.support.toy import ToyEncoder, write_toy_folder

K = 4


class Reader(Adapter):
    """Towers of no use, and a reader whose opinion is a hash of pixels and words."""

    name = "reader"
    weights = "0" * 64
    rerank = K

    def __init__(self) -> None:
        self.asked: Counter[tuple[bytes, str]] = Counter()

    def encode_images(self, images):
        return ToyEncoder().encode_images(images)

    def encode_texts(self, texts):
        return ToyEncoder().encode_texts(texts)

    def match_pairs(self, images, texts, present):
        keys = [
            (hashlib.sha256(image.tobytes()).digest(), text)
            for image, text in zip(images, texts, strict=True)
        ]
        self.asked.update(keys)
        return np.array([opinion(*key) for key in keys], dtype=np.float32)


def opinion(pixels: bytes, text: str) -> float:
    return hashlib.sha256(pixels + text.encode()).digest()[0] / 255


def expected(images: list[np.ndarray], texts: list[str], owner: list[int]) -> list[float]:
    """Ranks, captions first: the K best by dot product in the reader's order, ahead of all others."""
    toy = ToyEncoder()
    scores = toy.encode_texts(texts) @ toy.encode_images(images).T
    pixels = [hashlib.sha256(image.tobytes()).digest() for image in images]
    read = np.array([[opinion(image, text) for image in pixels] for text in texts], dtype=np.float32)
    own = np.array([[owner[t] == i for i in range(len(images))] for t in range(len(texts))])

    def rank(row: np.ndarray, second: np.ndarray, right: np.ndarray) -> float:
        best = np.argsort(-row, kind="stable")[:K]
        if right[best].any():
            top = second[best][right[best]].max()
            return 1.0 + np.count_nonzero(second[best][~right[best]] >= top)
        return 1.0 + np.count_nonzero(row[~right] >= row[right].max())

    t2i = [rank(*rows) for rows in zip(scores, read, own, strict=True)]
    return t2i + [rank(*rows) for rows in zip(scores.T, read.T, own.T, strict=True)]


@pytest.mark.parametrize("corruption", ["clean", "gaussian_noise"])
def test_the_best_of_the_first_stage_are_put_in_the_readers_order(tmp_path, corruption: str) -> None:
    data = write_toy_folder(tmp_path / "data", 12)
    reader = Reader()
    options = {"dataset": str(data), "task": "retrieval", "suite": "core@1", "progress": False}
    run = mb.run(reader, corruption, 3, **options, batch_size=5, out=tmp_path / "run")
    severity = 3 if corruption != "clean" else 0
    found = run.scores("retrieval", corruption, severity or None)
    samples = resolve(str(data)).samples
    images = [sample.image.load() for sample in samples]
    if severity:
        images = [
            mb.corrupt_image(image, corruption, severity, sample_id=sample.id, suite="core@1")
            for image, sample in zip(images, samples, strict=True)
        ]
    texts = [caption for sample in samples for caption in sample.captions]
    owner = [i for i, sample in enumerate(samples) for _ in sample.captions]
    assert found["score"].tolist() == expected(images, texts, owner)
    probe = Reader()
    clean_only = mb.run(probe, "clean", **options, batch_size=64, out=tmp_path / "other")
    assert clean_only.scores("retrieval")["score"].tolist() == run.scores("retrieval")["score"].tolist()
