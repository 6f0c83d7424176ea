"""The embedding cache: whose rows come back, what is dropped, two at once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.adapters.object_adapter import as_adapter
from mafs_bench.adapters.probe import Probe
from mafs_bench.errors import StoreError, UsageError
from mafs_bench.runs.cache import EmbeddingCache, model_key, open_caches, parse_bytes
from mafs_bench.runs.encode import encode_texts
from mafs_bench.runs.forward import Forward


def rows(n: int, offset: int = 0) -> tuple[list[bytes], Embeddings]:
    digests = [(i + offset).to_bytes(32, "little") for i in range(n)]
    vectors = np.random.default_rng(offset).normal(size=(n, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    signals = {"entropy": np.arange(n, dtype=np.float32)}
    states = {"tokens": np.arange(6 * n).reshape(n, 3, 2)}
    return digests, Embeddings(vectors, np.ones(n, dtype=bool), signals, states)


def double(x: np.ndarray) -> np.ndarray:
    return 2 * x


def same(x: np.ndarray) -> np.ndarray:
    return x


def adapter(**changes: object) -> Adapter:
    methods = {"encode_pixels": same, "preprocess": same}
    return as_adapter(SimpleNamespace(**({"weights": "a"} | methods | changes)))


def test_rows_come_back_bit_by_bit(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, b"m", 1 << 20)
    digests, embeddings = rows(5)
    cache.put(digests, embeddings)
    found = EmbeddingCache(tmp_path, b"m", 1 << 20).get([*digests[2:], b"other"])
    assert set(found) == set(digests[2:])
    row = found[digests[3]]
    np.testing.assert_array_equal(row.vectors[0], embeddings.vectors[3])
    np.testing.assert_array_equal(row.states["tokens"][0], embeddings.states["tokens"][3])
    assert row.signals["entropy"] == [3.0]


@pytest.mark.parametrize(
    "other",
    [
        (adapter(weights="b"), "fp32", "cpu"),
        (adapter(preprocess=double), "fp32", "cpu"),
        (adapter(), "bf16", "cpu"),
        (adapter(), "fp32", "cuda:0"),
    ],
)
def test_models_are_never_mixed(tmp_path: Path, other: tuple[Adapter, str, str]) -> None:
    mine = model_key(adapter(), "fp32", "cpu")
    assert model_key(adapter(), "fp32", "cpu") == mine != model_key(*other)
    digests, embeddings = rows(3)
    EmbeddingCache(tmp_path, mine, 1 << 20).put(digests, embeddings)
    assert EmbeddingCache(tmp_path, model_key(*other), 1 << 20).get(digests) == {}


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    digests, embeddings = rows(50)
    cache = EmbeddingCache(tmp_path, b"m", 1 << 30)
    cache.put(digests, embeddings)
    each = cache.size() // 50
    cache.get(digests[:10])
    small = EmbeddingCache(tmp_path, b"m", 40 * each)
    more, others = rows(10, offset=100)
    small.put(more, others)
    assert small.size() <= 40 * each
    assert set(small.get(digests[:10])) == set(digests[:10])
    assert len(small.get(digests)) < 30


def test_only_what_is_missing_goes_through_the_model(tmp_path: Path) -> None:
    seen: list[int] = []

    def encode_images(images: list[np.ndarray]) -> np.ndarray:
        seen.append(len(images))
        vectors = np.stack([image.ravel() for image in images]).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    model = as_adapter(SimpleNamespace(encode_images=encode_images))
    pixels = list(np.random.default_rng(0).uniform(1, 2, size=(6, 4)).astype(np.float32))
    digests = [bytes([i]) * 32 for i in range(6)]
    plain = Forward(model, 4)(pixels, digests)
    for _ in range(2):
        forward = Forward(model, 4, EmbeddingCache(tmp_path, b"m", 1 << 20))
        forward(pixels[:3], digests[:3])
        mixed = forward([pixels[4], *pixels], [digests[4], *digests])
        np.testing.assert_array_equal(mixed.vectors[1:], plain.vectors)
        np.testing.assert_array_equal(mixed.vectors[0], plain.vectors[4])
    assert seen == [4, 2, 3, 4]


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.runs.test_cache import fill; "
        "fill(Path(sys.argv[1]), int(sys.argv[2]))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(k)], cwd=Path(__file__).parents[2]
        )
        for k in (0, 100)
    ]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    cache = EmbeddingCache(tmp_path, b"m", 1 << 30)
    for offset in (0, 100):
        digests, embeddings = rows(60, offset)
        found = cache.get(digests)
        assert all((found[d].vectors[0] == v).all() for d, v in zip(digests, embeddings.vectors, strict=True))


def fill(folder: Path, offset: int) -> None:
    cache = EmbeddingCache(folder, b"m", 1 << 30)
    digests, embeddings = rows(60, offset)
    for i in range(60):
        cache.put(digests[i : i + 1], embeddings.take(np.array([i])))


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "embeddings-2.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="can be deleted at any time"):
        EmbeddingCache(tmp_path, b"m", 1 << 20)


@pytest.mark.parametrize(("text", "size"), [("10G", 10 << 30), ("500M", 500 << 20), ("1.5k", 1536), ("7", 7)])
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text, "--cache-size") == size


@pytest.mark.parametrize("text", ["", "0", "ten", "10X", "-1G"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--cache-size"):
        parse_bytes(text, "--cache-size")


PROBE = Probe("fp32", {"texts, together": np.ones((8, 2))}, {"texts, together": 2}, {})


class Halves(Adapter):
    """A fusion as the cache sees it: an encoder that it shares, and a state of its own made of the vectors."""

    derived = frozenset({"half"})

    def __init__(self, weights: str) -> None:
        self.weights = weights
        self.encoder = "encoder 1"
        self.seen: list[list[str]] = []

    def encode_texts(self, texts: list[str]) -> Embeddings:
        self.seen.append(list(texts))
        vectors = np.array([[len(text), 1.0] for text in texts], dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return self.complete_texts(Embeddings(vectors, np.ones(len(texts), dtype=bool)))

    def complete_texts(self, texts: Embeddings) -> Embeddings:
        return replace(texts, states={"half": texts.vectors / 2})

    complete_images = complete_texts


def test_a_model_of_other_answers_gets_rows_of_its_own_and_finds_them_again(tmp_path: Path) -> None:
    def texts_of(probe: Probe) -> EmbeddingCache:
        return open_caches(tmp_path, 1 << 20, Halves("a"), "fp32", "cpu", probe).texts

    near = replace(PROBE, numbers={name: rows * 1.0005 for name, rows in PROBE.numbers.items()})
    other = replace(PROBE, numbers={name: -rows for name, rows in PROBE.numbers.items()})
    encode_texts(Halves("a"), ["one"], texts_of(PROBE))
    digest = hashlib.sha256(b"one").digest()
    assert digest in texts_of(PROBE).get([digest])
    assert digest in texts_of(near).get([digest])
    assert texts_of(other).get([digest]) == {}
    encode_texts(Halves("a"), ["one"], texts_of(other))
    assert digest in texts_of(other).get([digest])
    fused = replace(PROBE, numbers={**PROBE.numbers, "fused queries, together": np.zeros((8, 2))})
    assert digest in texts_of(fused).get([digest])  # what comes after encoding is not the cache's concern


def test_a_cache_of_version_0_1_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "embeddings.sqlite").write_bytes(b"old")
    open_caches(tmp_path, 1 << 20, Halves("a"), "fp32", "cpu", PROBE)
    assert (tmp_path / "embeddings.sqlite").read_bytes() == b"old"


def test_fusions_on_one_encoder_share_its_rows_and_keep_their_own_states(tmp_path: Path) -> None:
    first, second = Halves("a"), Halves("b")
    caches = [open_caches(tmp_path, 1 << 20, model, "fp32", "cpu", PROBE) for model in (first, second)]
    texts = ["one", "three", "one", "four"]
    encode_texts(first, texts[:2], caches[0].texts)
    shared = encode_texts(second, texts, caches[1].texts)
    plain = encode_texts(Halves("c"), texts)
    assert second.seen == [["four"]]
    np.testing.assert_array_equal(shared.vectors, plain.vectors)
    np.testing.assert_array_equal(shared.states["half"], plain.states["half"])
    digest = hashlib.sha256(b"one").digest()
    assert digest in caches[1].texts.get([digest])
    assert caches[1].images.get([digest]) == {}
    second.encoder = "encoder 2"
    assert open_caches(tmp_path, 1 << 20, second, "fp32", "cpu", PROBE).texts.get([digest]) == {}


def test_a_models_own_error_is_not_reported_as_a_damaged_cache(tmp_path: Path) -> None:
    def complete(row: Embeddings) -> Embeddings:
        raise ValueError("the model's own")

    cache = EmbeddingCache(tmp_path, b"m", 1 << 20, complete=complete)
    digests, embeddings = rows(2)
    cache.put(digests, embeddings)
    with pytest.raises(ValueError, match="the model's own"):
        cache.get(digests)
