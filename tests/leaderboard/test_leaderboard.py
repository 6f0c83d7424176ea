"""Standings are recomputed from per-sample scores, and the generated files agree with them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import SubmissionError, UnknownNameError
from mafs_bench.leaderboard.boards import board_names, default_root, load_board
from mafs_bench.leaderboard.bundle import read_bundle, write_bundle
from mafs_bench.leaderboard.markdown import board_markdown
from mafs_bench.leaderboard.pins import pins_of, write_pins
from mafs_bench.leaderboard.records import by_condition, decode, encode
from mafs_bench.leaderboard.schemas import Board, from_toml, to_toml
from mafs_bench.leaderboard.site import build, check, generate, outdated
from mafs_bench.leaderboard.standings import ALL, Standings, standings
from mafs_bench.leaderboard.submission import manifest_json
from mafs_bench.leaderboard.validation import validate
from mafs_bench.runs.store import read_run
from mafs_bench.types import Condition
from tests.support.fake_board import bundle_of, define_board, open_board, submit_model
from tests.support.fake_run import fake_frame

MODELS = {"strong": (2.6, 0.3), "twin-a": (2.0, 0.5), "twin-b": (2.0, 0.5), "weak": (0.3, 0.6)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaderboard")
    board = open_board(folder / "boards", n=60)
    for name, (skill, fragility) in MODELS.items():
        submit_model(folder, board, name, model=name, skill=skill, fragility=fragility, n=60)
    define_board(folder / "boards", "coco-retrieval", dataset="coco", title="Retrieval on COCO")
    build(folder / "boards")
    return folder / "boards"


@pytest.fixture(scope="module")
def made(root: Path) -> Standings:
    return standings(load_board(root, "scenes-retrieval"))


def test_values_are_those_of_the_runs(root: Path, made: Standings) -> None:
    for entry in made.entries:
        results = read_run(root.parent / f"run-{entry.name}").results
        values = {(c.corruption, c.severity): c.metrics["t2i_r1"].value for c in results}
        corrupted = [value for (corruption, _), value in values.items() if corruption is not None]
        standing = entry.standings[ALL]
        assert entry.cells["clean"].value == pytest.approx(values[None, 0])
        assert standing.corrupted.value == pytest.approx(np.mean(corrupted))
        assert standing.worst_value == pytest.approx(min(corrupted))
        noise = [values["gaussian_noise", s] for s in (1, 3, 5)]
        assert entry.standings["noise"].corrupted.value == pytest.approx(np.mean(noise))
        assert [e.value for e in entry.standings["noise"].by_severity] == pytest.approx(noise)


def test_mmi_is_over_rows_that_both_score(root: Path, made: Standings) -> None:
    """One caption is unscored under ``keyboard``: its clean hit does not count there."""
    entry = next(e for e in made.entries if e.name == "strong")
    run = read_run(root.parent / "run-strong")
    frames = {(cell.corruption, cell.severity): run.frame(cell) for cell in run.results}
    t2i = frames[None, 0]["direction"] == "t2i"
    losses = []
    for (corruption, _), frame in frames.items():
        if corruption is None:
            continue
        scored = t2i & frame["score"].notna()
        before = (frames[None, 0]["score"][scored] <= 1).mean()
        losses.append((before - (frame["score"][scored] <= 1).mean()) / before)
    assert entry.standings[ALL].mmi.value == pytest.approx(np.mean(losses))


def test_models_that_the_data_do_not_separate_share_a_group(made: Standings) -> None:
    places = {entry.name: entry.standings[ALL].place for entry in made.entries}
    assert places["strong"].group == 1
    assert places["twin-a"].group == places["twin-b"].group == 2
    assert places["weak"].group == 3
    low, high = places["twin-a"].low, places["twin-a"].high
    assert low is not None
    assert high is not None
    assert low < high


def test_families_are_those_of_the_suite(made: Standings) -> None:
    assert list(made.families) == [ALL, "noise", "text-char"]
    assert made.families[ALL] == ("gaussian_noise", "keyboard")


def test_corruption_that_can_change_nothing_has_no_part(tmp_path: Path) -> None:
    """The board's rows say what can be scored; no submission does."""
    folder = define_board(tmp_path / "boards")
    conditions = [("clean", None, 0)]
    conditions += [(f"{c}-{s}", c, s) for c in folder.board.corruptions for s in folder.board.severities]
    frames = {k: fake_frame("retrieval", 30, 0.0, "x", Condition("", c, s, 0)) for k, c, s in conditions}
    for label, frame in frames.items():
        if label.startswith("keyboard"):
            frame.loc[frame["direction"] == "t2i", "score"] = np.nan
    board = write_pins(folder, pins_of(folder.board, frames), "r1")
    bundle = bundle_of(tmp_path, board, "a")
    assert any(
        "scores are given where the corruption cannot apply: keyboard-1" in str(f)
        for f in validate(bundle, tmp_path / "boards").findings
    )
    files, _ = read_bundle(bundle)
    frame, _ = decode(files["scores.parquet"], "retrieval")
    assert frame is not None
    frame.loc[(frame["direction"] == "t2i") & frame["condition"].str.match("keyboard"), "score"] = np.nan
    files["scores.parquet"] = encode(by_condition(frame, "retrieval"), "retrieval")
    files["manifest.json"] = manifest_json(board.name, files)
    write_bundle(files, board.path / "submissions" / "a")
    made = standings(board)
    assert made.inapplicable == ("keyboard",)
    assert made.families == {ALL: ("gaussian_noise",), "noise": ("gaussian_noise",)}
    assert made.entries[0].standings[ALL].corrupted.value is not None
    assert "without keyboard, which can change nothing here" in board_markdown(made)


def test_build_is_repeatable_and_check_passes(root: Path) -> None:
    assert outdated(root) == {}
    assert build(root) == []
    check(root)


@pytest.mark.parametrize(
    "name", ["scenes-retrieval/BOARD.md", "scenes-retrieval/board.csv", "site/index.html"]
)
def test_check_fails_where_a_file_was_edited(root: Path, name: str) -> None:
    file = root / name
    kept = file.read_text()
    file.write_text(kept.replace("strong", "strongest"))
    with pytest.raises(SubmissionError, match=name):
        check(root)
    file.write_text(kept)
    check(root)


def test_check_fails_where_a_record_was_edited(root: Path) -> None:
    file = root / "scenes-retrieval" / "submissions" / "weak" / "scores.parquet"
    kept = file.read_bytes()
    file.write_bytes(kept + b"x")
    with pytest.raises(SubmissionError, match=r"weak: error: scores\.parquet: SHA-256"):
        check(root)
    file.write_bytes(kept)


def test_markdown_names_models_records_and_commands(root: Path) -> None:
    text = (root / "scenes-retrieval" / "BOARD.md").read_text()
    assert "[strong](<https://example.org/clip>)" in text
    assert "[record](submissions/strong)" in text
    assert (
        "`mafs-bench run --model strong --dataset scenes --split test --task retrieval --suite smoke@1 "
        "--corruption gaussian_noise,keyboard --severity 1,3,5 --seed 0`"
    ) in text
    assert "No submission yet" in (root / "coco-retrieval" / "BOARD.md").read_text()


def test_csv_has_a_row_a_model_and_family(root: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((root / "scenes-retrieval" / "board.csv").read_text())))
    assert len(rows) == 3 * len(MODELS)
    assert {row["family"] for row in rows} == {"all", "noise", "text-char"}
    assert all(
        float(row["corrupted_low"]) <= float(row["corrupted"]) <= float(row["corrupted_high"]) for row in rows
    )


def test_board_survives_its_file(root: Path) -> None:
    board = load_board(root, "scenes-retrieval").board
    assert from_toml(Board, to_toml(board).encode()) == board


def test_unknown_board_names_the_nearest(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="scenes-retrieval"):
        load_board(root, "scenes-retreival")


def test_boards_of_the_project_are_up_to_date() -> None:
    names = board_names(default_root())
    assert len(names) >= 9
    for name in names:
        board = load_board(default_root(), name).board
        assert board.suite_hash == suites.load(board.suite).digest, name
    check(default_root())


def test_generated_files_hold_no_machine_paths(root: Path) -> None:
    assert [path for path, text in generate(root).items() if str(root) in text] == []
