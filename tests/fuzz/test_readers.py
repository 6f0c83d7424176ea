"""Readers of files that others wrote, on damaged and on hostile ones: a known error or a result, nothing else.

Outside the timed tests: ``MAFS_BENCH_FUZZ=100000 pytest tests/fuzz`` (examples a reader).
"""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mafs_bench.corruptions import suite as suites
from mafs_bench.datasets.annotations import read_entries
from mafs_bench.datasets.instances import read_instances
from mafs_bench.datasets.vqav2 import read_questions
from mafs_bench.errors import MafsBenchError
from mafs_bench.leaderboard.boards import load_board
from mafs_bench.leaderboard.bundle import read_bundle, write_bundle
from mafs_bench.leaderboard.schemas import Card, from_toml
from mafs_bench.leaderboard.submission import make_bundle
from mafs_bench.leaderboard.validation import validate
from mafs_bench.report.baseline import read_baseline, write_baseline
from mafs_bench.runs.store import read_cell, read_run
from tests.support.fake_board import CARD, open_board, write_card
from tests.support.fake_run import write_run

if "MAFS_BENCH_FUZZ" not in os.environ:
    pytest.skip("set MAFS_BENCH_FUZZ to the number of examples a reader", allow_module_level=True)

fuzz = settings(
    max_examples=int(os.environ["MAFS_BENCH_FUZZ"]),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
)

KARPATHY = {
    "images": [
        {
            "filename": "a.jpg",
            "imgid": 0,
            "split": "test",
            "sentences": [{"raw": "a red ball", "sentid": 1, "tokens": ["a", "red", "ball"]}],
        },
        {"filename": "b.jpg", "imgid": 1, "split": "train", "sentences": [{"raw": "two", "sentid": 2}]},
    ],
    "dataset": "flickr8k",
}
COCO = {
    "images": [{"id": 9, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 9, "caption": "a red ball"},
        {"id": 2, "image_id": 7, "caption": "two"},
    ],
}
INSTANCES = {
    "images": [{"id": 9, "file_name": "a.jpg", "width": 64, "height": 48}],
    "annotations": [
        {
            "id": 1,
            "image_id": 9,
            "bbox": [1.5, 2, 30, 20.25],
            "iscrowd": 0,
            "segmentation": [[1, 2, 3, 4, 5, 6]],
        },
        {"id": 2, "image_id": 9, "bbox": [0, 0, 9, 9], "iscrowd": 1, "segmentation": {"counts": [0, 9]}},
    ],
}
JSONL = {"id": "a", "image": "a.jpg", "captions": ["a red ball"]}
TOKEN = b"a.jpg#0\ta red ball\na.jpg#1\ttwo balls\nb.jpg#0\tnothing\n"
ASKED = {"questions": [{"question_id": 10, "image_id": 1, "question": "What?"}]}
ANSWERED = {
    "annotations": [
        {
            "question_id": 10,
            "image_id": 1,
            "question_type": "what",
            "answer_type": "other",
            "multiple_choice_answer": "yes",
            "answers": [{"answer": "yes", "answer_confidence": "yes", "answer_id": i} for i in range(1, 11)],
        }
    ]
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 2**63, 2**64])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "../../x", "\0", "a.jpg", "a" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=6
)
junk = st.sampled_from(
    [b"[" * 100_000, b'{"a":' * 50_000, b"a = " + b"[" * 9000, b"\xef\xbb\xbf", b"\0" * 64]
)


def damage(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    raw = bytearray(seed)
    for share, cut, new in changes:
        at = int(share * len(raw))
        raw[at : at + cut] = new
    return bytes(raw)


def damaged(seed: bytes) -> st.SearchStrategy[bytes]:
    return edits.map(lambda changes: damage(seed, changes)) | st.binary(max_size=200) | junk


def paths(node: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield prefix
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in items:
        yield from paths(inner, (*prefix, key))


def replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    tree = copy.deepcopy(tree)
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


def json_like(tree: Any) -> st.SearchStrategy[bytes]:
    """A valid file, one node of it something else."""
    return st.tuples(st.sampled_from(list(paths(tree))), values).map(
        lambda change: json.dumps(replaced(tree, *change)).encode()
    )


def harmless(read: Callable[[], Any]) -> None:
    try:
        read()
    except MafsBenchError as error:
        assert str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def put(file: Path, raw: bytes) -> Path:
    file.write_bytes(raw)
    return file


@fuzz
@given(raw=damaged((suites.data_folder("corruptions") / "smoke@1.toml").read_bytes()))
def test_suites(folder: Path, raw: bytes) -> None:
    harmless(lambda: suites.parse(put(folder / "my@1.toml", raw)))


@fuzz
@given(raw=damaged(json.dumps(KARPATHY).encode()) | json_like(KARPATHY))
def test_karpathy(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_entries(put(folder / "k.json", raw)))


@fuzz
@given(raw=damaged(json.dumps(COCO).encode()) | json_like(COCO))
def test_coco(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_entries(put(folder / "c.json", raw)))


@fuzz
@given(raw=damaged(json.dumps(INSTANCES).encode()) | json_like(INSTANCES))
def test_instances(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_instances(put(folder / "i.json", raw)))


@fuzz
@given(raw=damaged(json.dumps(JSONL).encode()) | json_like(JSONL))
def test_jsonl(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_entries(put(folder / "l.jsonl", raw)))


@fuzz
@given(raw=damaged(TOKEN))
def test_token_files(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_entries(put(folder / "t.token", raw)))


@fuzz
@given(raw=damaged(b'image,caption\na.jpg,"one, ""two"""\nb.jpg,three\n'))
def test_tables_with_commas(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_entries(put(folder / "captions.txt", raw)))


@fuzz
@given(raw=damaged(b"image_name| comment_number| comment\na.jpg| 0| one\na.jpg| 1  two\n"))
def test_tables_with_bars(folder: Path, raw: bytes) -> None:
    harmless(lambda: read_entries(put(folder / "results.csv", raw)))


@fuzz
@given(asked=json_like(ASKED) | damaged(json.dumps(ASKED).encode()), answered=json_like(ANSWERED))
def test_questions(folder: Path, asked: bytes, answered: bytes) -> None:
    put(folder / "v2_OpenEnded_mscoco_val2014_questions.json", asked)
    put(folder / "v2_mscoco_val2014_annotations.json", answered)
    harmless(lambda: read_questions(folder, "val"))


@fuzz
@given(raw=damaged(CARD.encode()))
def test_cards(raw: bytes) -> None:
    try:
        from_toml(Card, raw)
    except (ValueError, MafsBenchError) as error:  # what readers of cards catch
        assert str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def bundle(folder: Path) -> dict[str, bytes]:
    board = open_board(folder / "boards")
    return make_bundle(write_run(folder / "run"), board, write_card(folder / "card.toml", "one"))


@fuzz
@given(data=st.data())
def test_bundles(folder: Path, bundle: dict[str, bytes], data: st.DataObject) -> None:
    """Files of a bundle damaged one at a time, then its container."""
    files = dict(bundle)
    name = data.draw(st.sampled_from(sorted(files)))
    structured = name.endswith(".json") and data.draw(st.booleans())
    files[name] = data.draw(json_like(json.loads(files[name])) if structured else damaged(files[name]))
    path = folder / "bundle.zip"
    write_bundle(files, path)
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    harmless(lambda: read_bundle(path))
    harmless(lambda: validate(path, folder / "boards"))


@fuzz
@given(names=st.lists(st.sampled_from(["spec.json", "../x", "/etc/x", "a\\b", "\0", "c:d", "card.toml"])))
def test_zip_names(folder: Path, names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    harmless(lambda: read_bundle(put(folder / "names.zip", buffer.getvalue())))
    assert not (folder.parent / "x").exists()


@fuzz
@given(data=st.data())
def test_results_folders(folder: Path, bundle: dict[str, bytes], data: st.DataObject) -> None:
    run = folder / "run"
    cell = sorted((run / "cells").glob("*.parquet"))[0]
    harmless(lambda: read_cell(put(folder / "cell.parquet", data.draw(damaged(cell.read_bytes())))))
    other = folder / "other"
    other.mkdir(exist_ok=True)
    for name in ("spec.json", "results.json"):
        raw = (run / name).read_bytes()
        put(other / name, data.draw(damaged(raw) | json_like(json.loads(raw))))
    harmless(lambda: read_run(other))


@fuzz
@given(data=st.data())
def test_boards(folder: Path, bundle: dict[str, bytes], data: st.DataObject) -> None:
    [name] = [file.parent.name for file in (folder / "boards").glob("*/board.toml")]
    raw = (folder / "boards" / name / "board.toml").read_bytes()
    (folder / "hostile" / name).mkdir(parents=True, exist_ok=True)
    put(folder / "hostile" / name / "board.toml", data.draw(damaged(raw)))
    harmless(lambda: load_board(folder / "hostile", name))


@fuzz
@given(data=st.data())
def test_baselines(folder: Path, bundle: dict[str, bytes], data: st.DataObject) -> None:
    """The file damaged anywhere, or whole with other things in its metadata."""
    good, bad = folder / "good.parquet", folder / "bad.parquet"
    if not good.exists():
        write_baseline(read_run(folder / "run"), good)
    if data.draw(st.booleans()):
        put(bad, data.draw(damaged(good.read_bytes())))
    else:
        table = pq.read_table(good)
        [(key, meta)] = table.schema.metadata.items()
        other = data.draw(damaged(meta) | json_like(json.loads(meta)))
        pq.write_table(table.replace_schema_metadata({key: other}), bad)
    harmless(lambda: read_baseline(bad))
