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
from mafs_bench.runs.store import StoredRun, read_run
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


def brought(run: StoredRun) -> dict[tuple[str, int], float]:
    """Clean over all rows less the loss of each cell on its own rows: one caption has none under ``keyboard``."""
    frames = {(cell.corruption, cell.severity): run.frame(cell) for cell in run.results}
    clean = frames[None, 0]
    t2i = clean["direction"] == "t2i"
    found = {}
    for (corruption, severity), frame in frames.items():
        if corruption is not None:
            scored = t2i & frame["score"].notna()
            loss = (clean["score"][scored] <= 1).mean() - (frame["score"][scored] <= 1).mean()
            found[corruption, severity] = (clean["score"][t2i] <= 1).mean() - loss
    return found


def test_values_are_those_of_the_runs(root: Path, made: Standings) -> None:
    for entry in made.entries:
        run = read_run(root.parent / f"run-{entry.name}")
        values = {(c.corruption, c.severity): c.metrics["t2i_r1"].value for c in run.results}
        corrupted, standing = brought(run), entry.standings[ALL]
        assert entry.cells["clean"].value == pytest.approx(values[None, 0])
        assert standing.corrupted.value == pytest.approx(np.mean(list(corrupted.values())))
        assert standing.plain.value == pytest.approx(standing.corrupted.value)  # one corruption a family
        assert standing.worst_value == pytest.approx(min(corrupted.values()))
        noise = [values["gaussian_noise", s] for s in (1, 3, 5)]
        assert entry.standings["noise"].corrupted.value == pytest.approx(np.mean(noise))
        assert [e.value for e in entry.standings["noise"].by_severity] == pytest.approx(noise)


def test_mmi_is_of_the_mean_that_ranks(root: Path, made: Standings) -> None:
    for entry in made.entries:
        standing, clean = entry.standings[ALL], entry.cells["clean"].value
        assert clean is not None
        assert standing.corrupted.value is not None
        assert standing.mmi.value == pytest.approx((clean - standing.corrupted.value) / clean)


def test_families_weigh_equally_and_a_flip_has_one_severity(tmp_path: Path) -> None:
    names = ("gaussian_noise", "gaussian_blur", "motion_blur", "horizontal_flip")
    changes = {"suite": "core@2", "corruption": ",".join(names)}
    board = open_board(tmp_path / "boards", **changes)
    assert (board.board.mean, board.board.ungraded) == ("balanced", ("horizontal_flip",))
    assert [label for label in board.board.conditions if "flip" in label] == ["horizontal_flip-1"]
    assert define_board(tmp_path / "boards", "late", severities=(3, 5), **changes).board.ungraded == ()
    run = {"suite": "core@2", "corruptions": names, "ungraded": ("horizontal_flip",)}
    submit_model(tmp_path, board, "strong", model="strong", **run)
    (entry,) = standings(load_board(tmp_path / "boards", "scenes-retrieval")).entries
    cells = {label: cell.value for label, cell in entry.cells.items()}
    noise, gauss, motion = (np.mean([cells[f"{name}-{s}"] for s in (1, 3, 5)]) for name in names[:3])
    flip = cells["horizontal_flip-1"]
    standing = entry.standings[ALL]
    assert standing.corrupted.value == pytest.approx((noise + (gauss + motion) / 2 + flip) / 3)
    assert standing.plain.value == pytest.approx((noise + gauss + motion + flip) / 4)
    at_three = [cells[f"{name}-3"] for name in names[:3]]
    assert standing.by_severity[1].value == pytest.approx((at_three[0] + (at_three[1] + at_three[2]) / 2) / 2)
    build(tmp_path / "boards")
    text = (tmp_path / "boards" / "scenes-retrieval" / "BOARD.md").read_text()
    assert "with equally weighted families" in text
    assert "| corrupted | plain mean | clean |" in text


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
    assert "without keyboard, which do not apply to this data" in board_markdown(made)


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
