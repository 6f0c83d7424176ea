"""The way of somebody who sends in a model: a clone, a run, a bundle, tables; then a correction and a verification."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import load_board
from mafs_bench.leaderboard.verification import FILE
from tests.support.fake_board import write_card

_RUN = "--suite smoke@1 --corruption gaussian_noise,keyboard --severity 1,5 --limit 12 --task retrieval"
_NEW = "--title T --about A --task retrieval --dataset scenes --suite smoke@1 --severity 1,5 --limit 12"


def _call(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with one open board, made by its maintainer, and the run and bundle of an outsider beside it."""
    folder = tmp_path_factory.mktemp("outsider")
    root = ["--root", folder / "clone"]
    (folder / "clone" / "leaderboards").mkdir(parents=True)
    corruption = ["--corruption", "gaussian_noise,keyboard"]
    assert "5 conditions" in _call("leaderboard", "new", "b", *_NEW.split(), *corruption, *root)
    assert "72 rows in 5 conditions" in _call("leaderboard", "open", "b", *root)
    _call("run", "--model", "chance", *_RUN.split(), "--out", folder / "run", "--quiet")
    card = write_card(folder / "card.toml", "Mine")
    submitted = _call(
        "submit", folder / "run", "--board", "b", "--model-card", card, "--out", folder / "mine.zip", *root
    )
    assert "mine.zip: accepted" in submitted
    return folder / "clone"


@pytest.fixture
def clone(checkout: Path, tmp_path: Path) -> Path:
    """A fresh copy of the clone, with the bundle taken in and the tables built."""
    shutil.copytree(checkout, tmp_path / "clone")
    root = ["--root", tmp_path / "clone"]
    assert "b/submissions/mine: accepted" in _call("leaderboard", "add", checkout.parent / "mine.zip", *root)
    assert "BOARD.md" in _call("leaderboard", "build", *root)
    assert "agree" in _call("leaderboard", "check", *root)
    return tmp_path / "clone"


def test_new_entry_is_shown_as_unverified(clone: Path) -> None:
    table = (clone / "leaderboards" / "b" / "BOARD.md").read_text(encoding="utf-8")
    assert "[Mine](<https://example.org/clip>) | unverified |" in table


def test_correction_needs_to_be_named_as_one(clone: Path, checkout: Path) -> None:
    bundle, root = checkout.parent / "mine.zip", ["--root", clone]
    refused = CliRunner().invoke(app, ["validate", str(bundle), *map(str, root)])
    assert refused.exit_code == 1
    assert "a submission with the name mine exists; --replace corrects it" in refused.output
    assert "mine.zip: accepted" in _call("validate", bundle, "--replace", *root)
    assert "accepted" in _call("leaderboard", "add", bundle, "--replace", *root)


def test_verified_by_a_rerun_and_unverified_again_once_changed(clone: Path) -> None:
    entry, root = clone / "leaderboards" / "b" / "submissions" / "mine", ["--root", clone]
    lines = _call("leaderboard", "verify", entry, "--model", "chance", "--cells", "2", *root)
    assert lines.count("100.0% of the rows agree") == 3
    _call("leaderboard", "build", *root)
    board = clone / "leaderboards" / "b" / "BOARD.md"
    assert "| verified |" in board.read_text(encoding="utf-8")
    manifest = entry / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format":  1'))
    _call("leaderboard", "build", *root)
    assert "| unverified |" in board.read_text(encoding="utf-8")


def test_verify_refuses_another_model_and_other_scores(clone: Path, checkout: Path) -> None:
    entry, root = clone / "leaderboards" / "b" / "submissions" / "mine", ["--root", clone]
    spec = entry / "spec.json"
    other = {**json.loads(spec.read_text()), "weights": "0" * 64}
    spec.write_text(json.dumps(other))
    manifest = json.loads((entry / "manifest.json").read_text())
    import hashlib

    manifest["files"]["spec.json"] = hashlib.sha256(spec.read_bytes()).hexdigest()
    (entry / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SubmissionError, match="has the weights"):
        _call("leaderboard", "verify", entry, "--model", "chance", "--cells", "1", *root)
    assert not (clone / "leaderboards" / "b" / FILE).exists()


def test_rows_are_those_of_a_run(checkout: Path) -> None:
    """What was pinned without a model is what a run scores."""
    assert load_board(checkout / "leaderboards", "b").board.n == 72


def test_board_that_is_not_open_refuses_in_one_line(checkout: Path, tmp_path: Path) -> None:
    root = ["--root", tmp_path / "boards"]
    _call("leaderboard", "new", "b", *_NEW.split(), "--corruption", "gaussian_noise,keyboard", *root)
    with pytest.raises(SubmissionError, match="the board b is defined, not open"):
        _call("submit", checkout.parent / "run", "--board", "b", "--model-card", "x", "--out", "y", *root)
    refused = CliRunner().invoke(app, ["validate", str(checkout.parent / "mine.zip"), *map(str, root)])
    assert [line[:40] for line in refused.output.splitlines()[:1]] == [
        "error: board.toml: the board b is define"
    ]
    assert len(refused.output.splitlines()) == 2


@pytest.mark.parametrize("command", [["build"], ["add", "x.zip"], ["new", "b"], ["open", "b"]])
def test_installed_package_is_not_written_to(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages" / "mafs_bench" / "_data" / "leaderboards"
    installed.mkdir(parents=True)
    monkeypatch.setattr(suites, "data_folder", lambda name: installed.parent / name)
    more = _NEW.split() if command[0] == "new" else []
    with pytest.raises(SubmissionError, match="give one with --root CHECKOUT"):
        _call("leaderboard", *command, *more)
    assert list(installed.iterdir()) == []
