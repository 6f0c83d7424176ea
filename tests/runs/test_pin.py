"""The rows of a board, asked of data and suite, are those that a run scores; so are the hashes of its inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import BoardFolder, load_board, new_board
from mafs_bench.leaderboard.pins import FILE, LARGEST, pins_of, read_pins, write_pins
from mafs_bench.runs import pin
from mafs_bench.runs.execute import Resources
from mafs_bench.runs.pin import pin_rows
from mafs_bench.runs.plan import RunRequest
from mafs_bench.runs.progress import Quiet
from mafs_bench.runs.rerun import rerun

TASKS = ("retrieval", "fused-retrieval", "matching", "vqa")
CORRUPTIONS = ("gaussian_noise", "keyboard", "passive", "image_dropout")


@pytest.mark.parametrize("task", TASKS)
def test_rows_and_inputs_are_those_of_a_run(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``chance`` reads raw pairs for questions and embeddings elsewhere: both kinds of inputs are pinned."""
    monkeypatch.setattr(pin, "LIBRARY_SUITES", frozenset())
    pinned = pin_rows(
        task=task,
        dataset="scenes",
        split="test",
        data_root=None,
        limit=6,
        suite="core@1",
        corruptions=CORRUPTIONS,
        severities=(2,),
        seed=0,
    )
    request = RunRequest(
        "chance", ",".join(CORRUPTIONS), "2", "scenes", "test", tasks=(task,), suite="core@1", limit=6
    )
    run = rerun(request, list(pinned.frames), Resources(), Quiet())
    for label, frame in run.frames.items():
        own = pinned.frames[label]
        assert own["id"].tolist() == frame["id"].tolist()
        assert own["score"].isna().tolist() == frame["score"].isna().tolist(), label
        assert run.inputs[label] in pinned.content_hashes[label], label
    assert pinned.frames["passive-2"]["score"].isna().sum() > 0


def _defined(root: Path) -> BoardFolder:
    return new_board(
        root,
        "b",
        title="T",
        about="A",
        task="retrieval",
        dataset="scenes",
        split="test",
        suite="core@1",
        corruption="keyboard,passive",
        severities=(1, 3),
        seed=0,
        limit=20,
    )


def test_pins_survive_their_file_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = _defined(tmp_path)
    board = folder.board
    made = pin_rows(
        task=board.task,
        dataset=board.dataset,
        split=board.split,
        data_root=None,
        limit=board.limit,
        suite=board.suite,
        corruptions=board.corruptions,
        severities=board.severities,
        seed=board.seed,
    )
    pins = pins_of(board, made.frames, {"clean": ("0" * 64,)})
    write_pins(folder, pins, made.revision)
    again = read_pins(load_board(tmp_path, "b"))
    assert again.fixed.equals(pins.fixed)
    assert again.content_hashes == pins.content_hashes
    assert (
        again.inapplicable.keys()
        == pins.inapplicable.keys()
        == {"passive-1", "passive-3"}
        | {label for label in ("keyboard-1", "keyboard-3") if made.frames[label]["score"].isna().any()}
    )
    for label in board.conditions:
        assert (again.lacks(label) == pins.lacks(label)).all()
    file = tmp_path / "b" / FILE
    assert file.stat().st_size < LARGEST
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(SubmissionError, match=r"does not have the hash in board\.toml"):
        read_pins(load_board(tmp_path, "b"))
