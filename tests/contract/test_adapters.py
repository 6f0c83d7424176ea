"""Every registered adapter that has weights here does what its methods promise."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters import model_names
from mafs_bench.adapters.adapter_check import check_adapter
from mafs_bench.adapters.base import CAPABILITIES, Settings
from mafs_bench.adapters.load import adapter_class, capabilities
from mafs_bench.errors import DataError, WeightsError
from mafs_bench.types import Dataset, Question, Sample
from tests.support.endpoint_stub import Reaction, Stub, completion, logprobs, running

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
SPECS = [*model_names(), f"clip:local-dir:{GOLDEN / 'clip_tiny'}"]


@dataclass(frozen=True)
class Noise:
    """A picture of random pixels, of a size of its own."""

    seed: int

    @property
    def name(self):
        return f"noise {self.seed}"

    def load(self):
        size = (90 + 7 * self.seed, 120 - 5 * self.seed, 3)
        return np.random.default_rng(self.seed).integers(0, 256, size, dtype=np.uint8)


def make_dataset(samples):
    """A data set of noise with captions of several lengths."""
    question = Question("q", "What colour is the dog?", ("red",) * 10)
    return Dataset(
        name="noise",
        split="test",
        revision="0",
        licence="",
        citation="",
        samples=tuple(
            Sample(str(i), str(i), Noise(i), (f"a {'very ' * i}small dog",), (question,))
            for i in range(samples)
        ),
        answer_vocabulary=("red", "blue", "yes"),
    )


@pytest.mark.parametrize("name", model_names())
def test_capabilities_are_known_without_weights(name):
    assert capabilities(adapter_class(name)) <= set(CAPABILITIES)


def digest_of_request(table: dict, n: int) -> Reaction:
    """An answer that the prompt and the pixels decide."""
    text = hashlib.sha256(json.dumps(table["messages"]).encode()).hexdigest()[:8]
    return Reaction(body=completion(text, logprobs=logprobs((text, -0.5))))


@contextmanager
def reachable(spec: str) -> Iterator[str]:
    """The spec; for a model behind an endpoint that of a server that runs meanwhile."""
    if spec != "api":
        yield spec
        return
    with running(Stub(digest_of_request)) as stub:
        yield stub.spec


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.rpartition("/")[2])
def test_what_is_promised_is_kept(spec):
    try:
        with reachable(spec) as there:
            checks = list(check_adapter(there, Settings(), make_dataset(6)))
    except WeightsError as error:
        pytest.skip(str(error))
    assert len(checks) > 2
    assert [f"{check.name}: {check.detail}" for check in checks if not check.passed] == []


def test_a_checked_adapter_is_closed(tmp_path):
    (tmp_path / "mine.py").write_text(CLOSED)
    list(check_adapter(f"{tmp_path}/mine.py:Mine", Settings(), make_dataset(2)))
    assert (tmp_path / "closed").exists()


CLOSED = """
from pathlib import Path

from mafs_bench.adapters.chance import Chance

class Mine(Chance):
    def close(self):
        Path(__file__).with_name("closed").touch()
"""

BAD = """
import numpy as np

class Good:
    def encode_images(self, images):
        means = np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def encode_texts(self, texts):
        rows = np.float32([[1, len(text), text.count("a")] for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class WrongLength(Good):
    def encode_images(self, images):
        return 2 * super().encode_images(images)

class WrongSpace(Good):
    def encode_texts(self, texts):
        return np.tile(np.float32([1, 0]), (len(texts), 1))

class BatchNorm(Good):
    def encode_texts(self, texts):
        rows = super().encode_texts(texts) + len(texts)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class Random(Good):
    def encode_texts(self, texts):
        rows = np.random.default_rng().normal(size=(len(texts), 3)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class Writes(Good):
    def encode_images(self, images):
        for image in images:
            image[0, 0, 0] = 1
        return super().encode_images(images)

class Constant(Good):
    def encode_texts(self, texts):
        return np.tile(np.float32([1, 0, 0]), (len(texts), 1))

class TextsAlone:
    encode_texts = Good.encode_texts

class SameAnswer:
    def answer(self, images, questions, present):
        from mafs_bench.adapters.base import Answer
        return [Answer("yes", 1.0) for _ in questions]

class SameCaption:
    def caption(self, images, contexts):
        return ["a dog" for _ in images]

class HalfPrecision(Good):
    def encode_texts(self, texts):
        rows = super().encode_texts(texts) + np.float32([0, 0, 1e-3 * len(texts)])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class FailsOnEmpty(Good):
    def encode_texts(self, texts):
        return super().encode_texts([text[0] * len(text) for text in texts])

class NoConvention(Good):
    missing = {"image": "blank"}

class Answers:
    def prepare_answers(self, vocabulary): pass
    def answer(self, images, questions, present):
        return []
"""


@pytest.mark.parametrize(
    ("name", "failing"),
    [
        ("Good", []),
        ("WrongLength", ["vectors"]),
        ("WrongSpace", ["vectors"]),
        ("BatchNorm", ["batch invariance"]),
        ("Random", ["determinism"]),
        ("Writes", ["inputs"]),
        ("Constant", ["dependence on the input"]),
        ("TextsAlone", ["capabilities"]),
        ("SameAnswer", ["answers"]),
        ("SameCaption", ["captions"]),
        ("HalfPrecision", []),
        ("FailsOnEmpty", ["missing modality"]),
        ("NoConvention", ["description"]),
        ("Answers", ["answers"]),
    ],
)
def test_what_an_adapter_does_wrong_is_found(tmp_path, name, failing):
    (tmp_path / "bad.py").write_text(BAD)
    checks = list(check_adapter(f"{tmp_path}/bad.py:{name}", Settings(), make_dataset(6)))
    assert [check.name for check in checks if not check.passed] == failing


def test_a_data_set_without_captions_cannot_check():
    with pytest.raises(DataError, match="at least two images with captions"):
        list(check_adapter("chance", Settings(), make_dataset(1)))
