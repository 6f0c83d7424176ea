import hashlib

import numpy as np
import pytest

from mafs_bench.adapters.ranked_answers import AnswerRanker
from mafs_bench.errors import UsageError


class Encoder:
    """Sentences to keyed directions; counts what it is asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.extend(texts)
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
        rows = np.stack([np.random.default_rng(seed).normal(size=256) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def encoder():
    return Encoder()


def test_the_answer_whose_sentence_fits_wins(encoder):
    ranker = AnswerRanker(encoder, logit_scale=100)
    ranker.prepare(["red", "blue", "green"])
    image = Encoder()(["What colour? blue"])
    answer = ranker.answer(image, ["What colour?"])[0]
    assert answer.text == "blue"
    assert answer.confidence > 0.99


def test_confidence_is_the_softmax_of_the_logits(encoder):
    ranker = AnswerRanker(encoder, logit_scale=5)
    ranker.prepare(["red", "blue"])
    image = Encoder()(["anything"])
    logits = 5 * Encoder()(["Which? red", "Which? blue"]) @ image[0]
    answer = ranker.answer(image, ["Which?"])[0]
    assert answer.text == ("red", "blue")[logits.argmax()]
    assert answer.confidence == pytest.approx((np.exp(logits) / np.exp(logits).sum()).max(), abs=1e-6)


def test_a_missing_question_leaves_the_answer_alone(encoder):
    ranker = AnswerRanker(encoder, logit_scale=100)
    ranker.prepare(["red", "blue"])
    assert ranker.answer(Encoder()(["red"]), [""])[0].text == "red"


def test_sentences_are_encoded_once(encoder):
    ranker = AnswerRanker(encoder, logit_scale=100)
    ranker.prepare(["red", "blue"])
    ranker.answer(Encoder()(["a", "b", "c"]), ["Which?"] * 3)
    assert sorted(encoder.asked) == ["Which? blue", "Which? red"]


def test_large_vocabularies_are_cut_to_a_shortlist(encoder):
    ranker = AnswerRanker(encoder, logit_scale=100)
    vocabulary = [f"answer {index}" for index in range(500)]
    ranker.prepare(vocabulary)
    vectors = Encoder()(["What?", "What? answer 123", "answer 123"])
    image = (vectors[1] + vectors[2])[None] / np.linalg.norm(vectors[1] + vectors[2])
    assert ranker.answer(image, ["What?"])[0].text == "answer 123"
    assert sum(text.startswith("What? ") for text in encoder.asked) == 64


def test_an_empty_vocabulary_is_refused(encoder):
    with pytest.raises(UsageError, match="names no answer"):
        AnswerRanker(encoder, 1).prepare([])
