"""A plain object can do as an adapter what it could do as a subclass of ``Adapter``, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from mafs_bench.adapters.base import CAPABILITIES, DUAL_ENCODER, Adapter, Embeddings
from mafs_bench.adapters.object_adapter import ObjectAdapter, as_adapter, capabilities_of_class
from mafs_bench.errors import AdapterError

ROWS = Embeddings(np.eye(2, dtype=np.float32), np.ones(2, dtype=bool))
ARGUMENTS = {
    "encode_images": ([],),
    "encode_texts": ([],),
    "encode_pixels": (np.zeros((2, 1)),),
    "score_pairs": (ROWS, ROWS),
    "match_probabilities": (ROWS, ROWS),
    "fuse": (ROWS, ROWS),
    "answer": ([], [], np.ones((0, 2), dtype=bool)),
    "answer_embedded": (ROWS, ROWS, ["", ""]),
    "caption": ([], []),
    "caption_embedded": (ROWS, ROWS),
    "match_pairs": ([], [], np.ones((0, 2), dtype=bool)),
    "choose": ([], [], np.ones((0, 2), dtype=bool)),
    "compile": (),
}


def test_arguments_cover_every_capability():
    assert set(ARGUMENTS) == set(CAPABILITIES)


@pytest.mark.parametrize("method", CAPABILITIES)
def test_the_base_class_supports_nothing_and_says_so(method):
    adapter = Adapter()
    adapter.name = "empty"
    assert not adapter.supports(method)
    with pytest.raises(AdapterError, match=f"empty: {method} is not supported"):
        getattr(adapter, method)(*ARGUMENTS[method])


@pytest.mark.parametrize("method", CAPABILITIES)
def test_a_call_is_forwarded_to_the_object(method):
    given = []
    member = staticmethod(lambda *arguments: given.append(arguments) or "result")
    plain = type("Plain", (), {method: member, "preprocess": staticmethod(abs)})
    inheriting = type("Inheriting", (Adapter,), {method: member, "preprocess": staticmethod(abs)})
    adapter = as_adapter(plain())
    assert isinstance(adapter, ObjectAdapter)
    assert adapter.capabilities == capabilities_of_class(inheriting) == inheriting().capabilities
    assert capabilities_of_class(plain) == adapter.capabilities
    result = getattr(adapter, method)(*ARGUMENTS[method])
    assert result == (None if method == "compile" else "result")
    assert len(given) == 1
    assert all(a is b for a, b in zip(given[0], ARGUMENTS[method], strict=True))


@pytest.mark.parametrize("base", [object, Adapter])
def test_images_are_encoded_through_pixels(base):
    members = {
        "preprocess": staticmethod(lambda image: image.mean(axis=(0, 1))),
        "encode_pixels": staticmethod(lambda pixels: pixels.astype(np.float32)),
        "encode_texts": staticmethod(len),
    }
    adapter = as_adapter(type("Pixels", (base,), members)())
    assert adapter.supports(*DUAL_ENCODER, "encode_pixels")
    encoded = adapter.encode_images([np.full((2, 2, 3), 5, np.uint8), np.full((3, 1, 3), 7, np.uint8)])
    assert np.array_equal(encoded, np.float32([[5, 5, 5], [7, 7, 7]]))
    assert np.array_equal(adapter.start_pixels(encoded)(), encoded)


def test_pixels_without_preprocessing_are_not_supported():
    adapter = as_adapter(SimpleNamespace(encode_pixels=len, encode_images=len))
    assert adapter.capabilities == {"encode_images"}


def test_what_an_object_says_of_itself_is_taken_over():
    adapter = as_adapter(SimpleNamespace(encode_texts=len, name="mine", rerank=5, domain="photo"))
    assert (adapter.name, adapter.rerank, adapter.domain, adapter.weights) == ("mine", 5, "photo", "")
    assert adapter.missing == {"image": "blank", "text": "empty"}


@pytest.mark.parametrize("base", [object, Adapter])
def test_what_weights_do_not_support_is_no_capability(base):
    members = {"encode_images": len, "encode_texts": len, "fuse": max, "unsupported": {"fuse": "not trained"}}
    adapter = as_adapter(type("Partly", (base,), members)())
    assert adapter.capabilities == DUAL_ENCODER
    assert adapter.unsupported["fuse"] == "not trained"


def test_an_adapter_is_not_wrapped_twice():
    adapter = Adapter()
    assert as_adapter(adapter) is adapter
