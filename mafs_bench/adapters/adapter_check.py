"""A rehearsal of an adapter on a handful of samples, before real compute is spent on it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.adapters.load import load
from mafs_bench.adapters.outputs import answers_of, texts_of
from mafs_bench.adapters.user_code import describe
from mafs_bench.adapters.vectors import as_embeddings, validated
from mafs_bench.errors import AdapterError, DataError
from mafs_bench.types import Dataset, Image

_TOLERANCE = 1e-5
"""Largest difference of a vector's entries between one item at a time and all at once."""
_HALF_PRECISION = 3e-2
"""The same for a model that computes in half precision: it passes, and the difference is named."""
_SAMPLES = 6
_GREY = np.full((96, 128, 3), 128, dtype=np.uint8)
_DEFAULT_ANSWERS = ("yes", "no", "two", "red")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``detail`` says what was found, or what is wrong."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Images of several sizes with a caption and a question each, and answers to choose from."""

    images: Sequence[Image]
    texts: Sequence[str]
    questions: Sequence[str]
    answers: Sequence[str]


def check_adapter(spec: str, settings: Settings, dataset: Dataset) -> Iterator[Check]:
    """Load the adapter and look at everything that it can do, one check after the other.

    A check that would only repeat the fault of an earlier one is left out.

    Raises what ``load`` raises and ``DataError`` for a data set without captions; whatever the adapter does
    wrong afterwards is a check that did not pass.
    """
    inputs = _inputs(dataset)
    with closing(load(spec, settings)) as adapter:
        yield _look("capabilities", _capabilities, adapter, inputs)
        failed: set[str] = set()
        for needed, name, look in _CHECKS:
            if adapter.supports(*needed) and _NEEDS_FIRST.get(name, set()).isdisjoint(failed):
                check = _look(name, look, adapter, inputs)
                if not check.passed:
                    failed.add(name)
                yield check


def _look(name: str, look: Callable[[Adapter, _Inputs], str], adapter: Adapter, inputs: _Inputs) -> Check:
    try:
        return Check(name, True, look(adapter, inputs))
    except AdapterError as error:
        return Check(name, False, str(error))
    except Exception as error:  # a user's code may raise anything, and that is the finding
        return Check(name, False, describe(error))


def _inputs(dataset: Dataset) -> _Inputs:
    samples = [sample for sample in dataset.samples if sample.captions][:_SAMPLES]
    if len(samples) < 2:
        raise DataError(f"{dataset.name}: at least two images with captions are needed to check an adapter")
    images = [sample.image.load() for sample in samples]
    images[0], images[1] = images[0][: len(images[0]) // 2], images[1][:, : images[1].shape[1] * 3 // 4]
    return _Inputs(
        [np.ascontiguousarray(image) for image in images],
        [sample.captions[0] for sample in samples],
        [s.questions[0].text if s.questions else "What is in the picture?" for s in samples],
        dataset.answer_vocabulary[:50] or _DEFAULT_ANSWERS,
    )


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise AdapterError(message)


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return float(np.abs(a - b).max())


def _images(adapter: Adapter, images: Sequence[Image]) -> Embeddings:
    return as_embeddings(adapter.encode_images(images), len(images), "encode_images")


def _texts(adapter: Adapter, texts: Sequence[str]) -> Embeddings:
    return as_embeddings(adapter.encode_texts(texts), len(texts), "encode_texts")


def _capabilities(adapter: Adapter, inputs: _Inputs) -> str:
    able = adapter.capabilities
    of_use = able >= DUAL_ENCODER or not able.isdisjoint(_ALONE_OF_USE)
    found = ", ".join(sorted(able)) or "nothing"
    _need(of_use, f"{found}: no task can be done with that; {' and '.join(sorted(DUAL_ENCODER))} go together")
    return found


def _description(adapter: Adapter, inputs: _Inputs) -> str:
    _need(isinstance(adapter.name, str) and adapter.name != "", "name must be a text")
    _need(isinstance(adapter.weights, str) and len(adapter.weights) == 64, "weights must be a SHA-256 in hex")
    _need(isinstance(adapter.domain, str), "domain must be a text, '' for any")
    missing = adapter.missing
    _need(isinstance(missing, Mapping), "missing must map 'image' and 'text' to a convention")
    _need({"image", "text"} <= missing.keys(), "missing must name a convention for 'image' and for 'text'")
    return f"{adapter.name}, missing image: {missing['image']}, missing text: {missing['text']}"


def _shapes(adapter: Adapter, inputs: _Inputs) -> str:
    images, texts = _images(adapter, inputs.images).vectors, _texts(adapter, inputs.texts).vectors
    _need(
        images.shape[1] == texts.shape[1], f"images have {images.shape[1]} dimensions, texts {texts.shape[1]}"
    )
    return f"float32 (n, {images.shape[1]}), finite, unit length"


def _differs(adapter: Adapter, inputs: _Inputs) -> str:
    """Whether what a model gives depends on what it is given."""
    vectors = {
        "image": _images(adapter, inputs.images).vectors,
        "text": _texts(adapter, inputs.texts).vectors,
    }
    same = [what for what, rows in vectors.items() if _difference(rows, rows[:1]) <= _TOLERANCE]
    _need(not same, f"the same vector whatever {' or '.join(same)} is given")
    return "other images and other texts have other vectors"


def _batches(adapter: Adapter, inputs: _Inputs) -> str:
    worst = max(
        _one_by_one(_images, adapter, inputs.images),
        _one_by_one(_texts, adapter, inputs.texts),
    )
    found = f"vectors differ by {worst:.1e} between one at a time and all at once"
    _need(worst <= _HALF_PRECISION, f"{found}: does padding leak, or does a layer read the whole batch?")
    return found if worst <= _TOLERANCE else f"{found}, as in half precision: scores depend on --batch-size"


def _one_by_one(
    encode: Callable[[Adapter, Any], Embeddings], adapter: Adapter, items: Sequence[Any]
) -> float:
    together = encode(adapter, items).vectors
    alone = np.concatenate([encode(adapter, [item]).vectors for item in items])
    return _difference(together, alone)


def _repeats(adapter: Adapter, inputs: _Inputs) -> str:
    encoders: tuple[tuple[str, Callable[[Adapter, Any], Embeddings], Sequence[Any]], ...] = (
        ("images", _images, inputs.images),
        ("texts", _texts, inputs.texts),
    )
    for what, encode, items in encoders:
        first, second = encode(adapter, items).vectors, encode(adapter, items).vectors
        _need(np.array_equal(first, second), f"{what} get other vectors the second time")
    return "the same bits twice"


def _untouched(adapter: Adapter, inputs: _Inputs) -> str:
    given = [255 - image for image in inputs.images]  # no adapter has written into these yet
    copies = [image.copy() for image in given]
    _images(adapter, given)
    kept = all(np.array_equal(a, b) for a, b in zip(copies, given, strict=True))
    _need(kept, "encode_images writes into its input")
    return "inputs stay as they were"


def _missing(adapter: Adapter, inputs: _Inputs) -> str:
    _images(adapter, [_GREY])
    _texts(adapter, [""])
    return "the grey image and the empty text have vectors"


def _pixels(adapter: Adapter, inputs: _Inputs) -> str:
    preprocess = pickle.loads(pickle.dumps(adapter.preprocess))
    pixels = [preprocess(image) for image in inputs.images]
    shapes = {array.shape for array in pixels}
    _need(len(shapes) == 1, f"preprocess gives arrays of different shapes: {sorted(shapes)}")
    vectors = as_embeddings(adapter.encode_pixels(np.stack(pixels)), len(pixels), "encode_pixels").vectors
    difference = _difference(vectors, _images(adapter, inputs.images).vectors)
    _need(difference <= _TOLERANCE, f"encode_pixels and encode_images differ by {difference:.1e}")
    return f"preprocess can be pickled, gives {pixels[0].dtype} {pixels[0].shape}"


def _fusion(adapter: Adapter, inputs: _Inputs) -> str:
    images, texts = _images(adapter, inputs.images), _texts(adapter, inputs.texts)
    fused = _fused(adapter, images, texts)
    _need(
        fused.vectors.shape[1] == images.vectors.shape[1], "fused queries are not in the space of the images"
    )
    return f"unit queries; diagnostics: {', '.join(sorted(fused.diagnostics)) or 'none'}"


def _fusion_missing(adapter: Adapter, inputs: _Inputs) -> str:
    images, texts = _images(adapter, inputs.images), _texts(adapter, inputs.texts)
    absent = np.zeros(len(images), dtype=bool)
    no_image = Embeddings(
        _images(adapter, [_GREY] * len(images)).vectors, absent, images.signals, images.states
    )
    empty = _texts(adapter, [""] * len(texts))
    no_text = Embeddings(empty.vectors, absent, empty.signals, empty.states)
    for pair in ((no_image, texts), (images, no_text), (no_image, no_text)):
        _fused(adapter, *pair)
    return "unit queries without image, without text and without both"


def _fused(adapter: Adapter, images: Embeddings, texts: Embeddings) -> Fused:
    fused: Fused = adapter.fuse(images, texts)
    _need(isinstance(fused, Fused), f"fuse must return Fused, got {type(fused).__name__}")
    validated(fused.vectors, len(images), "fuse")
    for name, values in fused.diagnostics.items():
        shape = np.shape(values)
        _need(shape == (len(images),), f"diagnostic {name!r} must have shape ({len(images)},), got {shape}")
    return fused


def _pairs(adapter: Adapter, inputs: _Inputs) -> str:
    images, texts = _images(adapter, inputs.images), _texts(adapter, inputs.texts)
    scores = np.asarray(adapter.score_pairs(images, texts))
    _need(scores.shape == (len(images),), f"score_pairs must give ({len(images)},), got {scores.shape}")
    _need(bool(np.isfinite(scores).all()), "score_pairs gives scores that are not finite")
    backwards = np.arange(len(images))[::-1].copy()
    other = np.asarray(adapter.score_pairs(images.take(backwards), texts.take(backwards)))[backwards]
    allowed = _TOLERANCE * max(1.0, float(np.abs(scores).max()))
    _need(_difference(scores, other) <= allowed, "the score of a pair depends on the pairs around it")
    _need(int(adapter.rerank) >= 0, f"rerank must be a count, got {adapter.rerank}")
    return f"finite scores; the best {adapter.rerank} are re-ranked"


def _answers(adapter: Adapter, inputs: _Inputs) -> str:
    adapter.prepare_answers(inputs.answers)
    given = [
        *_answered(adapter, inputs.images, inputs.questions, (True, True)),
        *_answered(adapter, [_GREY] * len(inputs.questions), inputs.questions, (False, True)),
        *_answered(adapter, inputs.images, [""] * len(inputs.images), (True, False)),
    ]
    distinct = {(answer.text, answer.confidence) for answer in given}
    _need(len(distinct) > 1, f"the answer {given[0].text!r} with the same confidence, whatever is asked")
    return f"answers with confidence, e.g. {given[0].text!r} ({given[0].confidence:.2f})"


def _answered(
    adapter: Adapter, images: Sequence[Image], questions: Sequence[str], present: tuple[bool, bool]
) -> list[Answer]:
    given = adapter.answer(images, questions, np.tile(present, (len(images), 1)))
    return answers_of(given, len(images), "answer")


def _captions(adapter: Adapter, inputs: _Inputs) -> str:
    n = len(inputs.images) + 1
    captions = texts_of(adapter.caption([*inputs.images, _GREY], [""] * n), n, "caption")
    _need(len(set(captions)) > 1, f"the caption {captions[0]!r}, whatever image is given")
    return f"captions, e.g. {captions[0]!r}"


def _captions_embedded(adapter: Adapter, inputs: _Inputs) -> str:
    images, texts = _images(adapter, inputs.images), _texts(adapter, inputs.texts)
    together = [caption.text for caption in adapter.caption_embedded(images, texts)]
    _need(len(together) == len(images), f"{len(together)} captions for {len(images)} images")
    _need(all(isinstance(caption, str) for caption in together), "captions must be str")
    rows = [np.array([row]) for row in range(len(images))]
    alone = [adapter.caption_embedded(images.take(row), texts.take(row))[0].text for row in rows]
    _need(alone == together, "captions differ between one at a time and all at once")
    return f"captions, the same one at a time, e.g. {together[0]!r}"


_CHECKS: tuple[tuple[frozenset[str], str, Callable[[Adapter, _Inputs], str]], ...] = (
    (frozenset(), "description", _description),
    (DUAL_ENCODER, "vectors", _shapes),
    (DUAL_ENCODER, "dependence on the input", _differs),
    (DUAL_ENCODER, "determinism", _repeats),
    (DUAL_ENCODER, "batch invariance", _batches),
    (DUAL_ENCODER, "inputs", _untouched),
    (DUAL_ENCODER, "missing modality", _missing),
    (frozenset({"encode_pixels"}), "preprocessing", _pixels),
    (DUAL_ENCODER | {"fuse"}, "fusion", _fusion),
    (DUAL_ENCODER | {"fuse"}, "fusion of what is missing", _fusion_missing),
    (DUAL_ENCODER | {"score_pairs"}, "pair scores", _pairs),
    (frozenset({"answer"}), "answers", _answers),
    (frozenset({"caption"}), "captions", _captions),
    (DUAL_ENCODER | {"caption_embedded"}, "captions of embeddings", _captions_embedded),
)

_ALONE_OF_USE = frozenset({"answer", "answer_embedded", "caption", "caption_embedded"})
"""Capabilities with which a model that is no dual encoder can do a task."""

_OF_VECTORS = {name for needed, name, _ in _CHECKS if needed >= DUAL_ENCODER or "encode_pixels" in needed}
_NEEDS_FIRST: dict[str, set[str]] = {
    **{name: {"vectors"} for name in _OF_VECTORS - {"vectors"}},
    "batch invariance": {"vectors", "determinism"},
    "preprocessing": {"vectors", "determinism"},
}
"""Checks that mean nothing where one of these has failed."""
