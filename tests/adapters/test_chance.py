import numpy as np
import pytest

from mafs_bench.adapters.base import Embeddings, Settings
from mafs_bench.adapters.chance import Chance
from mafs_bench.errors import UsageError


@pytest.fixture(scope="module")
def chance():
    return Chance.load("", Settings())


@pytest.fixture(scope="module")
def images():
    return list(np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), dtype=np.uint8))


def test_recall_is_one_in_the_number_of_items(chance, images):
    texts = [f"caption {index}" for index in range(len(images))]
    similarity = chance.encode_texts(texts) @ chance.encode_images(images).T
    assert (similarity.argmax(axis=1) == np.arange(len(images))).mean() < 5 / len(images)
    assert abs(similarity.mean()) < 3e-3


def test_one_grey_level_changes_everything(chance, images):
    other = images[0].copy()
    other[0, 0, 0] ^= 1
    first, second = chance.encode_images([images[0], other])
    assert abs(first @ second) < 0.6


def test_fused_queries_are_close_to_neither_part(chance, images):
    present = np.ones(len(images), bool)
    image_side = Embeddings(chance.encode_images(images), present)
    text_side = Embeddings(chance.encode_texts([str(i) for i in range(len(images))]), present)
    fused = chance.fuse(image_side, text_side).vectors
    assert abs((fused * image_side.vectors).sum(axis=1).mean()) < 0.03
    assert abs((fused * text_side.vectors).sum(axis=1).mean()) < 0.03


def test_answers_are_uniform_and_repeatable(chance, images):
    chance.prepare_answers(["a", "b", "c", "d"])
    present = np.ones((len(images), 2), bool)
    answers = chance.answer(images, ["what?"] * len(images), present)
    counts = np.bincount(["abcd".index(answer.text) for answer in answers])
    assert ((counts - 100) ** 2 / 100).sum() < 16.3  # chi-square, 3 degrees of freedom, p = .001
    assert answers == chance.answer(images, ["what?"] * len(images), present)
    assert {answer.confidence for answer in answers} == {0.25}


def test_no_answers_to_choose_from(chance):
    with pytest.raises(UsageError, match="names none"):
        chance.prepare_answers([])
