"""Bundles: what is accepted, what is refused, and what a maintainer should look at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard import validation
from mafs_bench.leaderboard.boards import BoardFolder, write_board
from mafs_bench.leaderboard.bundle import read_bundle, write_bundle
from mafs_bench.leaderboard.findings import Finding, compare_sets
from mafs_bench.leaderboard.pins import read_pins
from mafs_bench.leaderboard.publish import add_submission
from mafs_bench.leaderboard.records import decode, encode
from mafs_bench.leaderboard.standings import standings
from mafs_bench.leaderboard.submission import make_bundle
from mafs_bench.leaderboard.validation import validate
from mafs_bench.tasks import TASKS
from tests.support.bundle_draft import Draft, check_draft, errors_of
from tests.support.fake_board import CARD, bundle_of, open_board
from tests.support.fake_run import write_run


def test_good_bundle_is_accepted(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    report = check_draft(Draft(dict(good)), boards, tmp_path)
    assert report.findings == ()
    assert report.accepted


@pytest.mark.parametrize("task", TASKS.names())
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


def test_first_submission_has_the_rows_of_the_board(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    lines = _messages(bundle_of(tmp_path, board, "A", model="a", n=2), tmp_path / "boards")
    assert any(line.startswith("error: scores.parquet clean: sample ids missing: ") for line in lines)


def test_copies_are_refused(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), root)
    again = _messages(bundle_of(tmp_path, board, "a", model="a"), root)
    assert "error: card.toml: a submission with the name a exists; --replace corrects it" in again
    assert "error: spec.json: the same model and weights were submitted as a" in again
    assert "error: scores.parquet: all scores equal those of a, row by row" in again
    with pytest.raises(SubmissionError, match="a submission with the name a exists"):
        add_submission(bundle_of(tmp_path, board, "a", model="a"), root)
    assert add_submission(bundle_of(tmp_path, board, "a", model="a"), root, replace=True).accepted


def test_stolen_scores_under_another_name_are_refused(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), root)
    thief = bundle_of(tmp_path, board, "B", model="a")
    files, _ = read_bundle(thief)
    draft = Draft(files)
    draft.json("spec.json", lambda spec: spec.update(model="b", weights="f" * 64))
    draft.write(tmp_path / "thief.zip")
    lines = _messages(tmp_path / "thief.zip", root)
    assert "error: scores.parquet: all scores equal those of a, row by row" in lines


def test_corruption_that_helps_is_flagged_whatever_intervals_are_stated(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    rising = bundle_of(tmp_path, board, "B", model="b", fragility=-1.4, skill=-3.0)
    files, _ = read_bundle(rising)
    draft = Draft(files)
    draft.json("results.json", lambda cells: [_widen(cell) for cell in cells])
    draft.write(rising)
    report = validate(rising, root)
    assert report.accepted
    assert report.flagged
    lines = [str(finding) for finding in report.findings]
    assert any(line.startswith("flag: scores.parquet: better under more of a corruption: ") for line in lines)


def _widen(cell: dict[str, Any]) -> dict[str, Any]:
    for name in ("t2i_r1", "i2t_r1"):
        cell["metrics"][name].update(low=0.0, high=1.0)
    return cell


def test_other_inputs_are_one_line(tmp_path: Path) -> None:
    """Honest reruns differ by a few grey levels under a few conditions."""
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    for name in "abc":
        add_submission(bundle_of(tmp_path, board, name, model=name), root)
    bundle = bundle_of(tmp_path, board, "d", model="d")
    draft = Draft(read_bundle(bundle)[0])
    draft.json("results.json", lambda cells: [c | {"content_hash": f"{i}" * 64} for i, c in enumerate(cells)])
    draft.write(bundle)
    notes = [line for line in _messages(bundle, root) if "the inputs hash otherwise" in line]
    assert len(notes) == 1
    assert notes[0].startswith("note: results.json: in 7 of 7 conditions")


def test_inputs_that_a_board_pins_are_compared(tmp_path: Path) -> None:
    pinned = {"keyboard-1": ("0" * 64, "1" * 64)}
    board = open_board(tmp_path / "boards", content_hashes=pinned)
    lines = _messages(bundle_of(tmp_path, board, "A"), tmp_path / "boards")
    assert lines == ["error: results.json: content hashes are not those of the board's inputs: keyboard-1"]


def test_corruption_without_effect_is_flagged(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards", corruption="gaussian_noise")
    bundle = bundle_of(tmp_path, board, "A", fragility=0.0)
    lines = _messages(bundle, tmp_path / "boards")
    assert lines == [
        "flag: scores.parquet: scores of clean under corruptions: 1 of 1 corruptions of the image, which the card says "
        "it reads, change no score: gaussian_noise"
    ]


def test_footer_that_promises_too_many_rows_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = open_board(tmp_path / "boards")
    draft = Draft(read_bundle(bundle_of(tmp_path, board, "A"))[0])
    draft.table(lambda table: pa.concat_tables([table] * 2000))
    draft.write(tmp_path / "bomb.zip")
    pins = read_pins(board)
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    raw = read_bundle(tmp_path / "bomb.zip")[0]["scores.parquet"]
    frame, findings = decode(raw, "retrieval", len(pins) * len(board.board.conditions))
    assert frame is None
    assert "error: scores.parquet: has 1260000 rows; the board has 630" in map(str, findings)


def test_many_labels_are_compared_in_linear_time() -> None:
    names = [f"c{i}" for i in range(200_000)]
    begun = time.perf_counter()
    assert compare_sets("x", "condition", names, names[1:])[0].message == "condition not of the board: c0"
    assert time.perf_counter() - begun < 2


def test_what_was_checked_is_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is read once: what it becomes afterwards does not matter."""
    board = open_board(tmp_path / "boards")
    bundle = bundle_of(tmp_path, board, "A")
    files, _ = read_bundle(bundle)

    def read_and_swap(path: Path) -> tuple[dict[str, bytes], list[Finding]]:
        bundle.unlink()
        return files, []

    monkeypatch.setattr(validation, "read_bundle", read_and_swap)
    add_submission(bundle, tmp_path / "boards")
    stored = board.path / "submissions" / "a"
    assert {file.name: file.read_bytes() for file in stored.iterdir()} == files


def test_verified_toml_inside_a_bundle_is_ignored(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    files, _ = read_bundle(bundle_of(tmp_path, board, "A"))
    draft = Draft(files, entries=[("verified.toml", b'[a]\nmanifest = "x"\n')])
    draft.write(tmp_path / "b.zip")
    report = add_submission(tmp_path / "b.zip", tmp_path / "boards")
    assert "note: verified.toml: is ignored: only maintainers verify entries" in map(str, report.findings)
    assert not list(board.path.rglob("verified.toml"))
    assert standings(board).entries[0].status == "unverified"


def test_archive_keeps_its_entries_and_takes_no_new_ones(tmp_path: Path) -> None:
    root, board = tmp_path / "boards", open_board(tmp_path / "boards")
    add_submission(bundle_of(tmp_path, board, "A", model="a"), root)
    new = bundle_of(tmp_path, board, "B", model="b")
    write_board(BoardFolder(board.path, board.board.model_copy(update={"archive": True})))
    closed = "error: board.toml: the board scenes-retrieval is an archive: it keeps its entries and takes no new ones"
    assert closed in _messages(new, root)
    assert validate(board.path / "submissions" / "a", root).accepted


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
