"""A user's file: executed once, with its folder, beside others of its name; what it raises is one line."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.adapter_check import check_adapter
from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import adapter_class, load
from mafs_bench.errors import AdapterError
from mafs_bench.runs.encode import encode_texts
from mafs_bench.runs.images import ImageJob, make_item
from tests.contract.test_adapters import make_dataset

MODEL = """
import numpy as np
{more}

class Mine:
    def encode_images(self, images):
        return self._unit([image.mean(axis=(0, 1)) for image in images])

    def encode_texts(self, texts):
        return self._unit([[1, len(text), text.count("a")] for text in texts])

    def _unit(self, rows):
        rows = np.float32(rows)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
"""


def write(folder: Path, more: str = "", name: str = "mine.py") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(MODEL.format(more=more))
    return f"{folder / name}:Mine"


def test_a_file_is_executed_once(tmp_path: Path) -> None:
    spec = write(tmp_path, f"open({str(tmp_path / 'log')!r}, 'a').write('x')")
    for _ in range(3):
        load(spec, Settings())
    assert (tmp_path / "log").read_text() == "x"


def test_a_file_that_fails_is_not_kept(tmp_path: Path) -> None:
    spec = write(tmp_path, "raise ValueError('not yet')")
    with pytest.raises(AdapterError, match=r"mine.py cannot be imported, line 3: ValueError: not yet"):
        adapter_class(spec)
    write(tmp_path)
    assert adapter_class(spec).__name__ == "Mine"


def test_a_file_that_ends_the_program_does_not(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot be imported, line 3: SystemExit: 5"):
        adapter_class(write(tmp_path, "raise SystemExit(5)"))


def test_files_of_one_name_and_their_siblings_do_not_collide(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helping.py").write_text(f"WHERE = {folder!r}")
    before = list(sys.path)
    classes = [
        adapter_class(write(tmp_path / folder, "from helping import WHERE\nimport json")) for folder in "ab"
    ]
    assert classes[0] is not classes[1]
    assert [sys.modules[cls.__module__].WHERE for cls in classes] == ["a", "b"]
    assert sys.path[: len(before)] == before, "a user's folder comes after what is installed"


def test_a_sibling_may_be_imported_late(tmp_path: Path) -> None:
    (tmp_path / "coming_late.py").write_text("VALUE = 7")
    (tmp_path / "lazy.py").write_text(
        "class Mine:\n    def encode_texts(self, texts):\n        from coming_late import VALUE\n"
        "        return VALUE\n    encode_images = encode_texts\n"
    )
    assert load(f"{tmp_path}/lazy.py:Mine", Settings()).encode_texts([]) == 7


FAILING = """
import numpy as np
class Failing:
    def encode_images(self, images):
        return np.stack(images)
    def encode_texts(self, texts):
        return self._tokens(texts)
    def _tokens(self, texts):
        raise KeyError("no such\\ntoken")
    def preprocess(self, image):
        return image.nothing
    def caption(self, images):
        return []
class Fused(Failing):
    def caption(self, images, contexts):
        return []
"""


def test_a_method_that_takes_other_arguments_is_refused_before_it_is_built(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    with pytest.raises(AdapterError, match=r"Failing: caption must take \(images, contexts\): too many"):
        adapter_class(f"{tmp_path}/failing.py:Failing")


def test_an_exception_names_call_file_line_and_code(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    (fault,) = [
        check
        for check in check_adapter(f"{tmp_path}/failing.py:Fused", Settings(), make_dataset(6))
        if check.name == "vectors"
    ]
    assert fault.detail == (
        f"encode_images failed in {tmp_path}/failing.py, line 5 (return np.stack(images)): "
        "ValueError: all input arrays must have the same shape"
    )


def test_an_exception_in_preprocessing_is_described_where_it_happens(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    model = load(f"{tmp_path}/failing.py:Fused", Settings())
    images = [sample.image for sample in make_dataset(2).samples]
    job = ImageJob(images, ["0", "1"], None, (0,), 0, preprocess=model.preprocess)
    with pytest.raises(
        AdapterError, match=r"preprocess failed in .*failing.py, line 11 \(return image.nothing\)"
    ):
        make_item(job, 0)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_texts_arrive_in_batches(tmp_path: Path, batch_size: int) -> None:
    model = load(write(tmp_path), Settings())
    texts = [f"text {'a' * (i % 9)}" for i in range(40)]
    whole, sizes, encode = encode_texts(model, texts, batch_size=1000), [], model.encode_texts
    model.encode_texts = lambda some: sizes.append(len(some)) or encode(some)
    assert np.array_equal(encode_texts(model, texts, batch_size=batch_size).vectors, whole.vectors)
    assert max(sizes) <= batch_size
    assert sum(sizes) == 9, "each distinct text once"
