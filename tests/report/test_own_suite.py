"""A suite that is the user's own is remembered by path and hash: reports, checks and printed commands use its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mafs_bench.api.rerunning import request_of, run_request
from mafs_bench.corruptions.suite import suite_of
from mafs_bench.errors import SuiteError
from mafs_bench.report.baseline import read_baseline, write_baseline
from mafs_bench.report.commands import command_of
from mafs_bench.report.pairs import cells_of, counted_keys
from mafs_bench.runs.execute import Resources, execute
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.progress import Quiet
from mafs_bench.runs.store import StoredRun, read_run
from tests.support.toy import TOY_ADAPTER, write_toy_folder

SUITE = """
name = "mine"
version = 1

[corruptions.dark]
operator = "brightness"
modality = "image"
family = "weather"
meaning_changing = true
levels.shift = [0.1, 0.2, 0.3, 0.4, 0.5]
"""
RESOURCES = Resources("cpu", workers=0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredRun:
    monkeypatch.chdir(tmp_path)
    write_toy_folder(tmp_path / "toy", 6)
    (tmp_path / "mine.toml").write_text(SUITE)
    request = RunRequest(
        TOY_ADAPTER, "dark", "5", dataset=str(tmp_path / "toy"), tasks=("retrieval",), suite="mine.toml"
    )
    return read_run(execute(make_plan(request), RESOURCES, tmp_path / "out", Quiet()).folder)


def test_the_record_and_the_printed_command_name_the_file(run: StoredRun, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    assert (run.spec.suite, run.spec.suite_file) == ("mine@1", str(file))
    assert f"--suite {file} " in command_of(run)
    assert suite_of(run.spec).digest == run.spec.suite_hash
    assert (
        counted_keys(run, list(cells_of(run, "retrieval"))).note
        == "set apart, as they change the meaning: dark"
    )


def test_a_check_runs_with_the_file(run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_baseline(run, tmp_path / "base.parquet")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    baseline, toy = read_baseline(tmp_path / "base.parquet"), str(tmp_path / "toy")
    again = run_request(request_of(baseline, TOY_ADAPTER, toy), tmp_path / "again", RESOURCES, Quiet())
    assert again.spec.suite_hash == run.spec.suite_hash
    assert [cell.content_hash for cell in again.results] == [cell.content_hash for cell in run.results]


@pytest.mark.parametrize(
    ("change", "words"), [("edit", "has changed since this run"), ("delete", "is not there")]
)
def test_a_changed_file_is_refused(run: StoredRun, tmp_path: Path, change: str, words: str) -> None:
    write_baseline(run, tmp_path / "base.parquet")
    file = tmp_path / "mine.toml"
    if change == "edit":
        file.write_text(SUITE.replace("0.5", "0.6"))
    else:
        file.unlink()
    with pytest.raises(SuiteError, match=words):
        counted_keys(run, list(cells_of(run, "retrieval")))
    with pytest.raises(SuiteError, match=words):
        request_of(read_baseline(tmp_path / "base.parquet"), TOY_ADAPTER)
    assert not (tmp_path / "again").exists()
