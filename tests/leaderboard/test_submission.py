"""Bundles: what is accepted, what pins a board, and what a person should look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.bundle import read_bundle, write_bundle
from mafs_bench.leaderboard.publish import add_submission
from mafs_bench.leaderboard.records import TASK_COLUMNS, decode, encode
from mafs_bench.leaderboard.submission import make_bundle
from mafs_bench.leaderboard.validation import validate
from tests.support.bundle_draft import Draft, check_draft, errors_of
from tests.support.fake_board import CARD, bundle_of, open_board
from tests.support.fake_run import write_run


def test_good_bundle_is_accepted(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    report = check_draft(Draft(dict(good)), boards, tmp_path)
    assert report.findings == ()
    assert report.accepted


@pytest.mark.parametrize("task", TASK_COLUMNS)
def test_every_task_can_be_submitted(task: str, tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards", "b", task=task, corruption="gaussian_noise")
    bundle = bundle_of(tmp_path, board, "A", tasks=(task,), corruptions=("gaussian_noise",))
    report = validate(bundle, tmp_path / "boards")
    assert errors_of(report) == []
    assert report.accepted


def test_equal_bundles_are_equal_bytes(good: dict[str, bytes], tmp_path: Path) -> None:
    write_bundle(good, tmp_path / "a.zip")
    write_bundle(good, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    files, findings = read_bundle(tmp_path / "a.zip")
    assert (files, findings) == (good, [])


def test_scores_survive_encoding(good: dict[str, bytes]) -> None:
    frame, findings = decode(good["scores.parquet"], "retrieval")
    assert findings == []
    assert frame is not None
    parts = {str(k): v for k, v in frame.groupby("condition", observed=True, sort=False)}
    assert encode(parts, "retrieval") == good["scores.parquet"]
    assert int(parts["keyboard-1"]["score"].isna().sum()) == 1


def _messages(path: Path, root: Path) -> list[str]:
    return [str(finding) for finding in validate(path, root).findings]


def test_first_submission_pins_the_board(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), tmp_path / "boards")
    fewer = bundle_of(tmp_path, board, "B", model="b", n=20)
    assert any("the board has 90" in line for line in _messages(fewer, tmp_path / "boards"))


def test_copies_are_refused(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), root)
    again = _messages(bundle_of(tmp_path, board, "a", model="a"), root)
    assert "error: card.toml: there is a submission of the name a" in again
    assert "error: spec.json: the same model and weights are there as a" in again
    assert "error: scores.parquet: all scores equal those of a, row by row" in again
    with pytest.raises(SubmissionError, match="there is a submission of the name a"):
        add_submission(bundle_of(tmp_path, board, "a", model="a"), root)
    assert add_submission(bundle_of(tmp_path, board, "a", model="a"), root, replace=True).name == "a"


def test_stolen_scores_under_another_name_are_refused(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), root)
    thief = bundle_of(tmp_path, board, "B", model="a")
    files, _ = read_bundle(thief)
    draft = Draft(files)
    draft.json("spec.json", lambda spec: spec.update(model="b", weights="f" * 64))
    draft.write(tmp_path / "thief.zip")
    assert _messages(tmp_path / "thief.zip", root) == [
        "error: scores.parquet: all scores equal those of a, row by row"
    ]


def test_odd_patterns_are_warnings(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), root)
    rising = bundle_of(tmp_path, board, "B", model="b", fragility=-1.4, skill=-3.0)
    files, _ = read_bundle(rising)
    draft = Draft(files)
    draft.json("results.json", lambda cells: cells[1].update(content_hash="0" * 64))
    draft.write(rising)
    report = validate(rising, root)
    assert report.accepted
    lines = [str(finding) for finding in report.findings]
    assert any(
        line.startswith("warning: results.json gaussian_noise: severity 5 is milder") for line in lines
    )
    assert any("other inputs (content hash) than a (clean not): gaussian_noise-1" in line for line in lines)


def test_corruption_without_effect_is_a_warning(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards", corruption="gaussian_noise")
    bundle = bundle_of(tmp_path, board, "A", fragility=0.0)
    assert any("scores equal those of clean" in line for line in _messages(bundle, tmp_path / "boards"))


def test_run_without_the_boards_conditions(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    (tmp_path / "card.toml").write_text(CARD)
    run = write_run(tmp_path / "run", severities=(1, 3))
    with pytest.raises(SubmissionError, match="no retrieval under gaussian_noise-5 and 1 more conditions"):
        make_bundle(run, board, tmp_path / "card.toml")


def test_board_with_submissions_cannot_be_redefined(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A"), tmp_path / "boards")
    with pytest.raises(SubmissionError, match="needs a new name"):
        open_board(tmp_path / "boards", seed=1)
