"""Files and folders have names that every system takes."""

import re

import pytest

from mafs_bench.files import legal_name
from mafs_bench.runs.export import _below
from mafs_bench.runs.store import CellMeta, cell_file, read_cell, read_run, write_cell
from mafs_bench.types import Condition
from tests.support.fake_run import write_run

AWKWARD = [
    "a:b",
    "a/b",
    "a\\b",
    "what?",
    "5*5",
    '"x"',
    "<x>",
    "a|b",
    "tab\there",
    "ends.",
    "ends ",
    "con",
    "NUL",
    "com1.txt",
    "..",
    "",
]
WINDOWS_REFUSES = re.compile(
    r'.*[<>:"/\\|?*\x00-\x1f].*|.*[. ]|(con|prn|aux|nul|com\d|lpt\d)(\..*)?|', re.IGNORECASE
)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_become_legal_ones(name):
    assert WINDOWS_REFUSES.fullmatch(name)
    assert not WINDOWS_REFUSES.fullmatch(legal_name(name))


def test_names_stay_apart_and_legal_ones_stay_themselves():
    assert len({legal_name(name) for name in [*AWKWARD, "a_b", "a?b"]}) == len(AWKWARD) + 2
    for name in ("retrieval--gaussian_noise@1+keyboard-3", "clean", "console", "image.jpg", "été"):
        assert legal_name(name) == name


def test_cells_of_a_user_suite_are_stored_under_legal_names_and_read(tmp_path):
    write_run(tmp_path, n=4)
    run = read_run(tmp_path)
    frame = run.frame(run.results[0])
    condition = Condition("mine@1", "salt:pepper?", 1, 0)
    meta = CellMeta("retrieval", "scenes", "salt:pepper?", 1, 0, "0" * 64, {})
    write_cell(tmp_path, meta, condition, frame)
    for file in (tmp_path / "cells").iterdir():
        assert not WINDOWS_REFUSES.fullmatch(file.name)
    assert read_cell(cell_file(tmp_path, "retrieval", condition))[1] == meta


def test_cells_stored_under_names_of_0_1_are_still_read(tmp_path):
    condition = Condition("mine@1", "salt:pepper", 1, 0)
    old = tmp_path / "cells" / "retrieval--salt:pepper-1.parquet"
    assert cell_file(tmp_path, "retrieval", condition) != old
    old.parent.mkdir()
    old.touch()
    assert cell_file(tmp_path, "retrieval", condition) == old


@pytest.mark.parametrize("name", ["what?.jpg", "aux.png", "a<b>/c|d.jpg", "dir./x", "C:\\photos\\1.jpg"])
def test_exports_have_legal_names(name):
    assert not any(WINDOWS_REFUSES.fullmatch(part) for part in _below(name).parts)
