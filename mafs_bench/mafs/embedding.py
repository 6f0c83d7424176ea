"""Embed training pairs and questions with a frozen backbone, clean and under the training corruptions.

Embeddings are cached in the user's folder under a key of everything they depend on.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mafs_bench.adapters.base import Adapter
from mafs_bench.adapters.probe import Probe
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.errors import UsageError
from mafs_bench.files import home, replacing
from mafs_bench.mafs.backbone import difference
from mafs_bench.mafs.bank import EmbeddingBank
from mafs_bench.metrics.vqa import soft_accuracy
from mafs_bench.runs.encode import encode_images, encode_texts
from mafs_bench.runs.images import CorruptedImage, ImageJob
from mafs_bench.seeding import stream
from mafs_bench.tasks.base import Pair, caption_pairs, relevant_captions
from mafs_bench.types import SEVERITIES, Corruption, Dataset, ImageSource

SEEN_IMAGE = ("gaussian_noise", "impulse_noise", "defocus_blur", "motion_blur")
SEEN_TEXT = ("keyboard", "char_swap", "char_delete")
"""Training corruptions: families noise, blur and text-char, in addition to dropout and mismatched pairs. All other
families are unseen."""

COPIES = 3
"""Number of corrupted copies per image and text."""

Arrays = dict[str, Any]


def require_one_space(adapter: Adapter, dataset: Dataset) -> None:
    """Encode one image and one text. Raises ``UsageError`` if their vectors differ in length."""
    sample = dataset.samples[0]
    image = _embed_images(adapter, [sample.image], [sample.id])
    text = encode_texts(adapter, [*sample.captions, "a text"][:1])
    if image.shape[-1] != text.vectors.shape[1]:
        raise UsageError(
            f"{adapter.name} encodes images to {image.shape[-1]} dimensions and texts to {text.vectors.shape[1]}: "
            "they must be in one space"
        )


def embed(
    adapter: Adapter, probe: Probe, dataset: Dataset, seed: int, log: Callable[[str], None]
) -> EmbeddingBank:
    """Embed a training split, clean and corrupted, or read it from the cache if a model with this probe did so."""
    suite = suites.load("core@1")
    image_corruptions = [suite.corruptions[name] for name in SEEN_IMAGE]
    text_corruptions = [suite.corruptions[name] for name in SEEN_TEXT]

    def make() -> Arrays:
        images = _embed_copies(adapter, dataset, image_corruptions, seed)
        return {"images": images} | _embed_texts(adapter, caption_pairs(dataset), text_corruptions, seed)

    cache = _cache_file("bank", adapter, dataset, suite.digest, seed)
    return _bank(dataset, _computed_once(cache, probe, make, log))


def _computed_once(
    cache: Path, probe: Probe, make: Callable[[], Arrays], log: Callable[[str], None]
) -> Arrays:
    """The result of ``make``, from the cache if it was computed by a model with the same probe.

    A damaged file, or one of a model with another probe, is computed again.
    """
    if cache.is_file():
        try:
            arrays = dict(np.load(cache, allow_pickle=False))
            other = difference(json.loads(str(arrays.pop("probe"))), probe)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            other = f"damaged: {type(error).__name__}"
        if other is None:
            log(f"using cached embeddings: {cache}")
            return arrays
        log(f"{cache} is not used ({other}); computing it again")
    arrays = make()
    try:
        with replacing(cache) as temporary, temporary.open("wb") as file:
            np.savez(file, probe=np.array(json.dumps(probe.to_table())), **arrays)
    except OSError as error:
        log(f"the embeddings are not cached: cannot write {cache}: {error.strerror}")
    return arrays


def embed_clean(adapter: Adapter, dataset: Dataset) -> EmbeddingBank:
    """Embed a split without corrupted copies."""
    arrays = {"images": _embed_copies(adapter, dataset, (), 0, copies=0)}
    return _bank(dataset, arrays | _embed_texts(adapter, caption_pairs(dataset), (), 0, copies=0))


def _cache_file(what: str, adapter: Adapter, dataset: Dataset, suite: str, seed: int) -> Path:
    model, seen = (adapter.name, adapter.weights), (SEEN_IMAGE, SEEN_TEXT, COPIES)
    data = (dataset.name, dataset.split, dataset.revision, len(dataset.samples))
    parts = (model, data, suite, seed, seen)
    return home() / "cache" / f"{what}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}.npz"


def _bank(dataset: Dataset, arrays: dict[str, Any]) -> EmbeddingBank:
    pairs = caption_pairs(dataset)
    true_of = torch.zeros(len(dataset.samples), len(pairs), dtype=torch.bool)
    for k, relevant in enumerate(relevant_captions(dataset)):
        true_of[torch.from_numpy(relevant), k] = True
    tokens = {n.partition(".")[2]: torch.from_numpy(x) for n, x in arrays.items() if n.startswith("tokens.")}
    owner = torch.tensor([pair.sample for pair in pairs])
    images, texts = torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["texts"])
    return EmbeddingBank(images, texts, tokens, owner, true_of)


def _draw(corruptions: Sequence[Corruption], seed: int, sample_id: str, copy: int) -> tuple[Corruption, int]:
    """A training corruption and severity for one copy of a sample."""
    rng = stream(seed, "training", f"copy {copy}", sample_id)
    return corruptions[int(rng.integers(len(corruptions)))], int(rng.choice(SEVERITIES))


def _embed_copies(
    adapter: Adapter, dataset: Dataset, corruptions: Sequence[Corruption], seed: int, copies: int = COPIES
) -> np.ndarray[Any, Any]:
    """float32 (n, 1 + copies, d): clean, then one random corruption and severity per copy."""
    sources: list[ImageSource] = []
    for sample in dataset.samples:
        sources.append(sample.image)
        for copy in range(copies):
            corruption, severity = _draw(corruptions, seed, sample.id, copy)
            sources.append(CorruptedImage(sample.image, corruption, severity, seed, sample.id, sample.boxes))
    vectors = _embed_images(adapter, sources, [source.name for source in sources])
    return vectors.reshape(-1, 1 + copies, vectors.shape[1])


def _embed_images(
    adapter: Adapter, sources: Sequence[ImageSource], ids: Sequence[str]
) -> np.ndarray[Any, Any]:
    """float32 (n, d)."""
    job = ImageJob(sources, ids, None, (0,), 0)
    return encode_images(adapter, job, batch_size=64, workers=1)[0].embeddings.vectors


def _embed_texts(
    adapter: Adapter,
    pairs: Sequence[Pair],
    corruptions: Sequence[Corruption],
    seed: int,
    copies: int = COPIES,
) -> dict[str, np.ndarray[Any, Any]]:
    """``texts`` float32 (m, 1 + copies, d) and ``tokens.<signal>`` float32 (m, 1 + copies)."""
    texts: list[str] = []
    for pair in pairs:
        texts.append(pair.text)
        for copy in range(copies):
            corruption, severity = _draw(corruptions, seed, pair.id, copy)
            corrupted = corrupt_text(pair.text, corruption, (severity,), seed=seed, sample_id=pair.id)[0]
            texts.append(pair.text if corrupted is None else corrupted)
    encoded = encode_texts(adapter, texts)
    shape = (-1, 1 + copies)
    tokens = {f"tokens.{name}": values.reshape(shape) for name, values in encoded.signals.items()}
    return {"texts": encoded.vectors.reshape(*shape, encoded.vectors.shape[1]), **tokens}


def embed_questions(
    adapter: Adapter, probe: Probe, dataset: Dataset, seed: int, log: Callable[[str], None]
) -> tuple[EmbeddingBank, torch.Tensor]:
    """A bank whose texts are the questions, and the soft accuracy of every answer, (m, answers)."""
    images = embed(adapter, probe, dataset, seed, log).images
    pairs = [Pair(q.id, i, q.text) for i, sample in enumerate(dataset.samples) for q in sample.questions]
    suite = suites.load("core@1")
    seen = [suite.corruptions[name] for name in SEEN_TEXT]
    cache = _cache_file("questions", adapter, dataset, suite.digest, seed)
    arrays = _computed_once(cache, probe, lambda: _embed_texts(adapter, pairs, seen, seed), log)
    tokens = {n.partition(".")[2]: torch.from_numpy(x) for n, x in arrays.items() if n.startswith("tokens.")}
    owner = torch.tensor([pair.sample for pair in pairs])
    true_of = owner[None] == torch.arange(len(images))[:, None]
    humans = [q.answers for sample in dataset.samples for q in sample.questions]
    targets = torch.zeros(len(pairs), len(dataset.answer_vocabulary))
    index = {answer: k for k, answer in enumerate(dataset.answer_vocabulary)}
    for row, answers in enumerate(humans):
        for answer in set(answers) & index.keys():
            targets[row, index[answer]] = soft_accuracy(answer, answers)
    bank = EmbeddingBank(images, torch.from_numpy(arrays["texts"]), tokens, owner, true_of)
    return bank, targets
