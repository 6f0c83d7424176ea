"""From specs to adapters: every wrong one is a single line, before any weight is read."""

import sys

import numpy as np
import pytest
import torch

from mafs_bench.adapters.base import DUAL_ENCODER, Settings
from mafs_bench.adapters.fusions import FUSED
from mafs_bench.adapters.load import (
    adapter_class,
    capabilities,
    load,
    parse,
    resolve_device,
    resolve_settings,
    validated,
)
from mafs_bench.adapters.vectors import unit_rows
from mafs_bench.errors import AdapterError, UnknownNameError, UsageError, WeightsError

ENCODER = """
import numpy as np

class Encoder:
    def encode_images(self, images):
        return np.tile(np.float32([1, 0]), (len(images), 1))

    def encode_texts(self, texts):
        return np.tile(np.float32([0, 1]), (len(texts), 1))

class Loaded(Encoder):
    def __init__(self, argument, device):
        self.argument, self.device = argument, device

    @classmethod
    def load(cls, argument, settings):
        return cls(argument, settings.device)

class Broken(Encoder):
    def __init__(self):
        raise RuntimeError("no such\\nthing")

class Nothing:
    pass

def function():
    pass
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(ENCODER)
    return path


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("clip", ("clip", "")),
        ("clip:ViT-B-32/openai", ("clip", "ViT-B-32/openai")),
        ("clip:local-dir:some/where", ("clip", "local-dir:some/where")),
        ("some/where.py:Mine", ("some/where.py:Mine", "")),
        ("some/where.py:Mine:a:b", ("some/where.py:Mine", "a:b")),
        ("mafs-clip:some/where.py:Mine", (FUSED, "mafs-clip:some/where.py:Mine")),
    ],
)
def test_parse(spec, expected):
    assert parse(spec) == expected


def test_capabilities_are_known_from_the_class():
    able = capabilities(adapter_class("clip:ViT-B-32/openai"))
    assert able == {*DUAL_ENCODER, "encode_pixels", "fuse", "answer", "answer_embedded", "compile"}


def test_a_users_class_without_load_is_called_and_described(file):
    adapter = load(f"{file}:Encoder", Settings())
    assert adapter.capabilities == DUAL_ENCODER
    assert adapter.name == f"{file}:Encoder"
    assert len(adapter.weights) == 64
    assert adapter.missing == {"image": "blank", "text": "empty"}


def test_a_blocked_import_does_not_stop_a_users_file(file, monkeypatch):
    """None in ``sys.modules`` blocks an import; another object may stand for a module."""
    (file.parent / "blocked.py").touch()
    (file.parent / "replaced.py").touch()
    monkeypatch.setitem(sys.modules, "blocked", None)
    monkeypatch.setitem(sys.modules, "replaced", object())
    assert adapter_class(f"{file}:Encoder").__name__ == "Encoder"
    assert sys.modules["blocked"] is None


@pytest.mark.parametrize(
    ("asked", "near"), [("mafs-clipp", "mafs-clip"), ("mafs-blp", "mafs-blip"), ("clp", "clip")]
)
def test_an_unknown_model_is_named_with_its_nearest(asked, near):
    with pytest.raises(UnknownNameError, match=f"unknown model '{asked}'.*Did you mean.*'{near}'"):
        adapter_class(asked)


def test_a_users_class_with_load_gets_argument_and_settings(file):
    adapter = load(f"{file}:Loaded:some:thing", Settings(device="cpu"))
    assert (adapter.wrapped.argument, adapter.wrapped.device) == ("some:thing", "cpu")


@pytest.mark.parametrize(
    ("attribute", "error", "message"),
    [
        ("Nothing", AdapterError, "has none of the methods of a model"),
        ("function", AdapterError, "is not a class but a function"),
        ("Encodr", UnknownNameError, "Did you mean 'Encoder'"),
        (
            "Broken",
            AdapterError,
            "cannot be built: __init__ failed in .*mine.py, line \\d+ .*: RuntimeError: no such",
        ),
        ("Encoder:argument", UsageError, "takes no argument"),
    ],
)
def test_a_users_class_that_does_not_fit(file, attribute, error, message):
    with pytest.raises(error, match=message):
        load(f"{file}:{attribute}", Settings())


@pytest.mark.parametrize(
    ("source", "message"),
    [("class Mine(:\n", "line 1"), ("import no_such_module_at_all\n", "ModuleNotFoundError")],
)
def test_a_users_file_that_cannot_be_imported(tmp_path, source, message):
    (tmp_path / "bad.py").write_text(source)
    with pytest.raises(AdapterError, match=message):
        adapter_class(f"{tmp_path}/bad.py:Mine")


def test_a_users_file_that_is_not_there(tmp_path):
    with pytest.raises(AdapterError, match="no such file"):
        adapter_class(f"{tmp_path}/none.py:Mine")


def test_an_unknown_model_is_told_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'clip'"):
        adapter_class("clipp:ViT-B-32/openai")


def test_chance_takes_no_argument():
    with pytest.raises(UsageError, match="takes no argument"):
        load("chance:x", Settings())


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", ""])
def test_unknown_devices(name):
    with pytest.raises(UnknownNameError, match="unknown device"):
        resolve_device(name)


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda: not available here"):
        resolve_device("cuda")


def test_settings_are_checked():
    assert resolve_settings("cpu", "bf16", 8) == Settings("cpu", "bf16", 8)
    with pytest.raises(UnknownNameError, match="unknown precision"):
        resolve_settings("cpu", "fp8")
    with pytest.raises(UsageError, match="--batch-size"):
        resolve_settings("cpu", batch_size=0)


def test_validated_gives_back_what_fits():
    vectors = np.eye(3, dtype=np.float32)
    assert validated(vectors, 3, "mine") is vectors


UNIT = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (UNIT.tolist(), "must be a numpy array"),
        (UNIT[0], "must be a numpy array"),
        (UNIT[:2], "3 items went in, 2 embeddings came out"),
        (UNIT.astype(np.float64), "must be float32, got float64"),
        (UNIT * np.float32([[1], [1.01], [1]]), "embedding 1 .* has length 1.01"),
        (UNIT * np.float32([[1], [1], [0]]), "embedding 2 .* has length 0"),
        (UNIT * np.float32([[np.nan], [1], [1]]), "embedding 0 .* has length nan"),
    ],
)
def test_validated_names_what_does_not_fit(vectors, message):
    with pytest.raises(AdapterError, match=message):
        validated(vectors, 3, "mine")


def test_unit_rows_scales_each_row():
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 1e-20]]), "mine", "text")
    assert rows.dtype == np.float32
    assert np.allclose(rows, [[0.6, 0.8], [0, 1]])


@pytest.mark.parametrize(
    ("value", "kind"), [(0, "zero-length"), (np.nan, "non-finite"), (np.inf, "non-finite")]
)
def test_unit_rows_names_the_first_row_without_a_direction(value, kind):
    vectors = np.ones((4, 2), np.float32)
    vectors[2:] = value
    with pytest.raises(AdapterError, match=f"mine: {kind} embedding of text 2 "):
        unit_rows(vectors, "mine", "text")


def test_missing_weights_are_refused_with_one_line(tmp_path):
    with pytest.raises(WeightsError, match=r"no folder with open_clip_config\.json"):
        load(f"clip:local-dir:{tmp_path}/none", Settings())
