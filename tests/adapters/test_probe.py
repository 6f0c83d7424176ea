"""The probe: one model answers within its tolerance, another does not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mafs_bench.adapters.base import Adapter, Answer
from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.probe import N_INPUTS, Probe, compare, probe_images, take_probe
from mafs_bench.errors import AdapterError
from tests.support.toy import TOY_ADAPTER

SETTINGS = resolve_settings("cpu")


class Linear(Adapter):
    """A dual encoder of 64 dimensions with a matching score; ``change`` is what its weights differ by."""

    name, weights, missing, domain, rerank = "linear", "w", {}, "", 4

    def __init__(self, change: float = 0.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        weights = rng.standard_normal((256, 64))
        self.matrix = weights + change * np.linalg.norm(weights) / np.sqrt(
            weights.size
        ) * rng.standard_normal(weights.shape)
        self.most = 0

    def encode_images(self, images):
        self.most = max(self.most, len(images))
        return self._unit([np.bincount(image.ravel(), minlength=256) for image in images])

    def encode_texts(self, texts):
        self.most = max(self.most, len(texts))
        return self._unit([np.bincount(list(text.encode()), minlength=256) for text in texts])

    def score_pairs(self, images, texts):
        return (images.vectors * texts.vectors).sum(1)

    def _unit(self, counts):
        vectors = np.array(counts) @ self.matrix
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Answering(Adapter):
    """Gives one of its answers to each question in turn of the question's length."""

    name, weights, missing, domain = "answering", "w", {}, ""

    def __init__(self, *changed: str) -> None:
        self.changed = changed

    def prepare_answers(self, vocabulary):
        self.vocabulary = vocabulary

    def answer(self, images, questions, present):
        assert present.shape == (len(images), 2)
        said = [self.vocabulary[len(question) % len(self.vocabulary)] for question in questions]
        return [
            Answer("other" if q in self.changed else text, 0.5)
            for q, text in zip(questions, said, strict=True)
        ]


def test_the_inputs_are_four_clean_and_four_damaged_images_of_several_sizes() -> None:
    images = probe_images()
    assert len(images) == N_INPUTS == 8
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in images)
    assert len({image.shape for image in images}) > 3


@pytest.mark.parametrize("spec", ["chance", "clip", TOY_ADAPTER])
def test_a_model_equals_itself_after_json_and_at_other_batch_sizes(spec: str) -> None:
    adapter = load(spec, SETTINGS)
    probe = take_probe(adapter, "fp32")
    stored = json.dumps(probe.to_table(), allow_nan=False)
    assert len(stored) < 32_000
    again = Probe.from_table(json.loads(stored))
    assert compare(again, take_probe(adapter, "fp32", batch_size=3)) is None
    assert probe.batch_difference() < 1e-4


def test_never_more_inputs_at_once_than_the_batch_size() -> None:
    model = Linear()
    take_probe(model, "fp32", batch_size=2)
    assert model.most == 2


@pytest.mark.parametrize(("change", "same"), [(0.0, True), (2e-4, True), (1e-2, False), (1.0, False)])
def test_vectors_and_scores_compare_by_relative_difference(change: float, same: bool) -> None:
    line = compare(take_probe(Linear(), "fp32"), take_probe(Linear(change), "fp32"))
    assert (line is None) == same
    if line is not None:
        assert line.startswith("images, together: outputs differ by ")
        assert "(allowed: 0.001)" in line
        assert "\n" not in line


def test_half_precision_allows_more_and_is_its_own_identity() -> None:
    probes = [take_probe(Linear(change), "bf16") for change in (0.0, 1e-2, 1.0)]
    assert compare(probes[0], probes[1]) is None
    assert "outputs differ by" in (compare(probes[0], probes[2]) or "")
    fp32 = take_probe(Linear(), "fp32")
    assert compare(fp32, probes[0]) == "the precision was fp32 and is bf16"


def test_answers_are_equal_in_fp32_and_seven_of_eight_in_half_precision() -> None:
    one, two = ("How many rings are there?",), ("How many rings are there?", "Are the squares plain?")
    for precision, changed, same in [
        ("fp32", (), True),
        ("fp32", one, False),
        ("fp16", one, True),
        ("fp16", two, False),
    ]:
        line = compare(take_probe(Answering(), precision), take_probe(Answering(*changed), precision))
        assert (line is None) == same, (precision, changed, line)
    assert line is not None
    assert line.startswith("answers, together: 2 of 8 differ, e.g. ")


def test_other_dimensions_are_named() -> None:
    probe = take_probe(Linear(), "fp32")
    other = replace(probe, widths={**probe.widths, "images, together": 512})
    assert compare(probe, other) == "images, together: the vectors had 64 dimensions and have 512"


def test_answers_are_asked_for_only_where_they_are_needed() -> None:
    clip = load("clip", SETTINGS)
    assert not take_probe(clip, "fp32", needed={"encode_images", "encode_texts"}).words
    assert take_probe(clip, "fp32", needed={"answer", "answer_embedded"}).words.keys() == {
        "answers, together",
        "answers, one at a time",
    }
    nothing = compare(take_probe(Answering(), "fp32"), take_probe(clip, "fp32", needed=()))
    assert nothing == "the models have no output in common"


def test_a_served_model_is_not_compared() -> None:
    probes = [take_probe(Linear(change), "fp32", compared=False) for change in (0.0, 1.0)]
    assert compare(*probes) is None


def test_what_a_model_raises_is_one_line() -> None:
    class Broken(Linear):
        def encode_texts(self, texts):
            raise ValueError("no\nway")

    with pytest.raises(
        AdapterError, match=r"^linear cannot be probed: encode_texts failed in .*: ValueError: no way$"
    ):
        take_probe(Broken(), "fp32")


def test_a_damaged_table_is_refused() -> None:
    for table in ({}, {"numbers": 3}, {**take_probe(Linear(), "fp32").to_table(), "words": []}):
        with pytest.raises(ValueError, match="probe"):
            Probe.from_table(table)
