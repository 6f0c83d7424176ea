"""Bundles: a good one is accepted, and each of many malformed ones is refused for its defect."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.bundle import LARGEST, read_bundle, write_bundle
from mafs_bench.leaderboard.findings import Finding
from mafs_bench.leaderboard.publish import add_submission
from mafs_bench.leaderboard.records import TASK_COLUMNS, decode, encode, ids_digest
from mafs_bench.leaderboard.submission import make_bundle, manifest_json
from mafs_bench.leaderboard.validation import Report, validate
from tests.support.fake_board import CARD, bundle_of, open_board
from tests.support.fake_run import write_run


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    (folder / "card.toml").write_text(CARD)
    run = write_run(folder / "run")
    return make_bundle(run, open_board(folder / "boards"), folder / "card.toml")


@dataclass
class Draft:
    """A bundle that a test may spoil; the manifest is made anew unless it is spoilt itself."""

    files: dict[str, bytes]
    rehash: bool = True
    entries: list[tuple[zipfile.ZipInfo | str, bytes]] = field(default_factory=list)

    def json(self, name: str, change: Callable[[Any], Any]) -> None:
        content = json.loads(self.files[name])
        made = change(content)
        self.files[name] = json.dumps(content if made is None else made).encode()

    def text(self, name: str, old: str, new: str) -> None:
        assert old in self.files[name].decode()
        self.files[name] = self.files[name].decode().replace(old, new, 1).encode()

    def table(self, change: Callable[[pa.Table], pa.Table]) -> None:
        table = change(pq.ParquetFile(io.BytesIO(self.files["scores.parquet"])).read())
        sink = io.BytesIO()
        pq.write_table(table, sink)
        self.files["scores.parquet"] = sink.getvalue()

    def frame(self, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
        def through(table: pa.Table) -> pa.Table:
            frame = table.to_pandas()
            made = change(frame)
            result = frame if made is None else made
            return pa.Table.from_pandas(result, schema=table.schema, preserve_index=False)

        self.table(through)

    def write(self, out: Path) -> None:
        files = dict(self.files)
        if self.rehash and "manifest.json" in files:
            files["manifest.json"] = manifest_json("scenes-retrieval", files)
        write_bundle(files, out)
        with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, raw in self.entries:
                archive.writestr(name, raw)


Spoil = Callable[[Draft], None]
MALFORMED: dict[str, tuple[Spoil, str]] = {}


def malformed(expected: str) -> Callable[[Spoil], Spoil]:
    """Register a way to spoil a bundle with what the finding must say."""

    def register(spoil: Spoil) -> Spoil:
        MALFORMED[spoil.__name__.strip("_")] = (spoil, expected)
        return spoil

    return register


def _nullify(name: str) -> Spoil:
    return lambda draft: draft.files.pop(name) and None


for _name in LARGEST:
    MALFORMED[f"without {_name}"] = (_nullify(_name), f"{_name}: is missing")


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


@malformed("is a path out of the bundle")
def path_traversal(draft: Draft) -> None:
    draft.entries.append(("../../evil.py", b"x"))


@malformed("is a path out of the bundle")
def absolute_path(draft: Draft) -> None:
    draft.entries.append(("/etc/passwd", b"x"))


@malformed("is a path out of the bundle")
def windows_path(draft: Draft) -> None:
    draft.entries.append(("..\\evil.py", b"x"))


@malformed("is not a plain file")
def symbolic_link(draft: Draft) -> None:
    raw = draft.files.pop("card.toml")
    draft.entries.append((_entry("card.toml", stat.S_IFLNK | 0o777), raw))


@malformed("is not a plain file")
def device(draft: Draft) -> None:
    draft.entries.append((_entry("tty", stat.S_IFCHR | 0o600), b""))


@malformed("does not belong in a bundle")
def pickle_inside(draft: Draft) -> None:
    draft.entries.append(("model.pkl", b"\x80\x04N."))


@malformed("does not belong in a bundle")
def nested_folder(draft: Draft) -> None:
    draft.entries.append(("cells/spec.json", b"{}"))


@malformed("holds twice: card.toml")
def same_name_twice(draft: Draft) -> None:
    draft.entries.append(("card.toml", b"name = 'other'"))


@malformed("has 30 entries")
def many_entries(draft: Draft) -> None:
    draft.entries += [(f"file{i}", b"") for i in range(25)]


@malformed("bytes; allowed:")
def zip_bomb(draft: Draft) -> None:
    draft.rehash = False
    draft.files["card.toml"] = b"#" * (LARGEST["card.toml"] + 1)


@malformed("allowed: stored, deflated")
def other_compression(draft: Draft) -> None:
    entry = _entry("card.toml", stat.S_IFREG)
    entry.compress_type = zipfile.ZIP_LZMA
    draft.entries.append((entry, draft.files.pop("card.toml")))


@malformed("manifest says")
def changed_after_hashing(draft: Draft) -> None:
    draft.rehash = False
    draft.text("card.toml", "MIT", "BSD")


@malformed("does not list card.toml")
def file_not_in_manifest(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m["files"].pop("card.toml") and None)


@malformed("files.card.toml: String should match pattern")
def manifest_with_short_hash(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m["files"].update({"card.toml": "abc"}))


@malformed("unknown board 'scenes-retreival'. Did you mean 'scenes-retrieval'")
def unknown_board(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m.update(board="scenes-retreival"))


@malformed("board: String should match pattern")
def board_that_is_a_path(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m.update(board="../../secret"))


@malformed("format: Input should be 1")
def future_format(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m.update(format=2))


@malformed("spec.json: content: Invalid JSON")
def broken_json(draft: Draft) -> None:
    draft.files["spec.json"] = b"{"


@malformed("spec.json: content: Invalid JSON")
def deeply_nested_json(draft: Draft) -> None:
    draft.files["spec.json"] = b"[" * 100_000


@malformed("spec.json: hardware: Extra inputs are not permitted")
def unknown_key_of_the_spec(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(hardware="A100"))


@malformed("spec.json: seed: Field required")
def spec_without_seed(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: (spec.pop("seed") and None) or spec.pop("seed", None))


@malformed("spec.json: seed: Input should be a valid integer")
def seed_as_text(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(seed="0"))


@malformed("spec.json: seed is 7; the board has 0")
def other_seed(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(seed=7))


@malformed("spec.json: suite_hash is")
def other_suite_hash(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(suite_hash="0" * 64))


@malformed("spec.json: revision is 'r2'; the board has 'r1'")
def other_revision(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(revision="r2"))


@malformed("spec.json: split is 'train'; the board has 'test'")
def other_split(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(split="train"))


@malformed("spec.json: limit is 10; the board has None")
def first_ten_only(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(limit=10))


@malformed("spec.json: engine is 'reference'")
def other_engine(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(engine="reference"))


@malformed("spec.json: severities lack 5")
def severity_not_run(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(severities=[1, 3]))


@malformed("spec.json: tasks are vqa; the board has retrieval")
def other_task(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(tasks=["vqa"]))


@malformed("card.toml: cannot be read")
def broken_card(draft: Draft) -> None:
    draft.files["card.toml"] = b"name = "


@malformed("card.toml: cannot be read")
def card_that_is_not_utf8(draft: Draft) -> None:
    draft.files["card.toml"] = b"name = '\xff'"


@malformed("card.toml: licence: Field required")
def card_without_licence(draft: Draft) -> None:
    draft.text("card.toml", 'licence = "MIT"\n', "")


@malformed("card.toml: award: Extra inputs are not permitted")
def unknown_key_of_the_card(draft: Draft) -> None:
    draft.files["card.toml"] += b'award = "best"\n'


@malformed("card.toml: link: String should match pattern")
def script_as_link(draft: Draft) -> None:
    draft.text("card.toml", "https://example.org/clip", "javascript:alert(1)")


@malformed("card.toml: name: String should match pattern")
def markup_as_name(draft: Draft) -> None:
    draft.text("card.toml", "Clip small", "<img src=x onerror=alert(1)>")


@malformed("card.toml: parameters: Input should be greater than or equal to 0")
def negative_parameters(draft: Draft) -> None:
    draft.text("card.toml", "1000000", "-1")


@malformed("results.json: 2.metrics.mrr.value: Input should be a finite number")
def nan_in_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[2]["metrics"]["mrr"].update(value=float("nan")))


@malformed("results.json: condition missing: keyboard-5")
def condition_left_out_of_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells.pop() and None)


@malformed("results.json: condition there twice: clean")
def condition_twice_in_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells.append(cells[0]))


@malformed("results.json: condition not of the board: fog-1")
def extra_condition_in_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells.append({**cells[1], "corruption": "fog"}))


@malformed("results.json gaussian_noise-1: t2i_r1 is 0.9; the scores give")
def embellished_aggregate(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[1]["metrics"]["t2i_r1"].update(value=0.9))


@malformed("the scores give 90, 0")
def wrong_count(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[1]["metrics"]["mrr"].update(n=5000))


@malformed("t2i_r1 is outside [0, 1]")
def percent_for_share(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[1]["metrics"]["t2i_r1"].update(value=90.0))


@malformed("unknown metric 'accuracy'")
def unknown_metric(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0]["metrics"].update(accuracy=cells[0]["metrics"]["mrr"]))


@malformed("has no t2i_r1")
def primary_metric_left_out(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0]["metrics"].pop("t2i_r1") and None)


@malformed("mrr has its interval upside down")
def interval_upside_down(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0]["metrics"]["mrr"].update(low=0.9, high=0.1))


@malformed("dataset is 'coco'; the board has 'scenes'")
def cell_of_other_data(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0].update(dataset="coco"))


@malformed("scores.parquet: is not a readable Parquet file")
def scores_that_are_not_parquet(draft: Draft) -> None:
    draft.files["scores.parquet"] = b"id,score\n"


@malformed("scores.parquet: is not a readable Parquet file")
def truncated_parquet(draft: Draft) -> None:
    draft.files["scores.parquet"] = draft.files["scores.parquet"][:-100]


@malformed("scores.parquet: is not a readable Parquet file")
def flipped_bytes(draft: Draft) -> None:
    raw = bytearray(draft.files["scores.parquet"])
    raw[8:200] = bytes(192)
    draft.files["scores.parquet"] = bytes(raw)


@malformed("column 'answer' does not belong there")
def unexpected_column(draft: Draft) -> None:
    draft.table(lambda table: table.append_column("answer", pa.array(["x"] * len(table))))


@malformed("column 'group' is missing")
def column_left_out(draft: Draft) -> None:
    draft.table(lambda table: table.drop_columns(["group"]))


@malformed("column 'score' has the type double; allowed: float")
def doubles(draft: Draft) -> None:
    draft.table(lambda t: t.set_column(4, "score", t["score"].cast(pa.float64())))


@malformed("column 'score' has the type string; allowed: float")
def scores_as_text(draft: Draft) -> None:
    draft.table(lambda t: t.set_column(t.column_names.index("score"), "score", t["score"].cast(pa.string())))


@malformed("column 'id' has the type list")
def nested_ids(draft: Draft) -> None:
    draft.table(lambda t: t.set_column(t.column_names.index("id"), "id", pa.array([["a"]] * len(t))))


@malformed("score is NaN in 1 rows; allowed: null")
def nan_score(draft: Draft) -> None:
    def change(table: pa.Table) -> pa.Table:
        scores = table["score"].to_numpy(zero_copy_only=False).copy()
        mask = np.isnan(scores)
        mask[np.flatnonzero(~mask)[0]] = False
        scores[np.flatnonzero(~mask)[0]] = np.nan
        column = pa.array(scores, mask=mask, type=pa.float32())
        return table.set_column(table.column_names.index("score"), "score", column)

    draft.table(change)


@malformed("score is outside [1, 1e+07] in 1 rows: clean/s000")
def infinite_score(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), np.inf))


@malformed("score is outside [1, 1e+07]")
def rank_zero(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), 0.0))


@malformed("score is no whole number")
def half_a_rank(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), 1.5))


@malformed("id is null in 1 rows")
def sample_without_id(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "id"), None))


@malformed("a text of more than 200 characters")
def huge_id(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "id"), "x" * 100_000))


@malformed("scores.parquet keyboard-5: sample ids missing")
def sample_left_out(draft: Draft) -> None:
    draft.frame(lambda frame: frame.iloc[:-1])


@malformed("scores.parquet keyboard-5: sample ids there twice")
def sample_twice(draft: Draft) -> None:
    draft.frame(lambda frame: pd.concat([frame, frame.iloc[-1:]]))


@malformed("scores.parquet keyboard-5: sample ids that clean does not have")
def invented_sample(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((frame.index[-1], "id"), "s999"))


@malformed("scores.parquet keyboard-5: group or direction differs from clean")
def group_changed(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((frame.index[-1], "group"), "g000"))


@malformed("scores.parquet: condition missing: keyboard-5")
def condition_left_out_of_scores(draft: Draft) -> None:
    draft.frame(lambda frame: frame[frame["condition"] != "keyboard-5"])


@malformed("scores.parquet: condition missing: clean")
def without_clean(draft: Draft) -> None:
    draft.frame(lambda frame: frame[frame["condition"] != "clean"])


@malformed("scores.parquet clean: 1 samples are unscored")
def clean_unscored(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), np.nan))


@malformed("samples ids, groups or labels are not those of the board".replace("samples ids", "sample ids"))
def other_samples_everywhere(draft: Draft) -> None:
    draft.frame(lambda frame: frame.assign(id=frame["id"].astype(str).str.replace("s00", "t00")))


@malformed("scores.parquet clean: has 87 rows; the board has 90")
def easy_samples_only(draft: Draft) -> None:
    draft.frame(lambda frame: frame[~frame["group"].isin(["g003"])])


@pytest.fixture(scope="module")
def boards(good: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board that is pinned to the good bundle's samples, without submissions."""
    root = tmp_path_factory.mktemp("boards")
    frame, _ = decode(good["scores.parquet"], "retrieval")
    assert frame is not None
    clean = frame[frame["condition"] == "clean"]
    folder = open_board(root)
    lines = f'revision = "r1"\nids_digest = "{ids_digest(clean, "retrieval")}"\nn = {len(clean)}\n'
    kept = [x for x in (folder.path / "board.toml").read_text().splitlines(True) if x.split()[0] not in lines]
    (folder.path / "board.toml").write_text("".join(kept) + lines)
    return root


def _check(draft: Draft, boards: Path, tmp_path: Path) -> Report:
    draft.write(tmp_path / "bundle.zip")
    return validate(tmp_path / "bundle.zip", boards)


def _errors(report: Report) -> list[str]:
    return [str(f) for f in report.findings if f.level == "error"]


def test_good_bundle_is_accepted(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    report = _check(Draft(dict(good)), boards, tmp_path)
    assert report.findings == ()
    assert report.accepted


@pytest.mark.parametrize("task", TASK_COLUMNS)
def test_every_task_can_be_submitted(task: str, tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards", "b", task=task, corruption="gaussian_noise")
    bundle = bundle_of(tmp_path, board, "A", tasks=(task,), corruptions=("gaussian_noise",))
    report = validate(bundle, tmp_path / "boards")
    assert _errors(report) == []
    assert report.accepted


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_malformed_bundle_is_refused(name: str, good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    spoil, expected = MALFORMED[name]
    draft = Draft(dict(good))
    spoil(draft)
    report = _check(draft, boards, tmp_path)
    assert not report.accepted
    assert any(expected in line for line in _errors(report)), _errors(report)


def test_there_are_many_malformed_bundles() -> None:
    assert len(MALFORMED) >= 60


def test_all_defects_are_listed_at_once(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    draft = Draft(dict(good))
    several = (
        other_seed,
        other_suite_hash,
        card_without_licence,
        percent_for_share,
        rank_zero,
        sample_left_out,
    )
    for spoil in several:
        spoil(draft)
    lines = _errors(_check(draft, boards, tmp_path))
    expected = [MALFORMED[spoil.__name__][1] for spoil in several]
    assert [part for part in expected if not any(part in line for line in lines)] == []
    assert all("\n" not in line for line in lines)


def test_header_that_lies_about_its_size(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    raw = b"#" * (LARGEST["card.toml"] * 50)
    Draft({**good, "card.toml": raw}, rehash=False).write(tmp_path / "b.zip")
    archive = (
        (tmp_path / "b.zip").read_bytes().replace(len(raw).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    )
    (tmp_path / "b.zip").write_bytes(archive)
    report = validate(tmp_path / "b.zip", boards)
    assert any("card.toml: cannot be unpacked" in line for line in _errors(report))


def test_link_in_a_folder_is_refused(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    write_bundle(good, tmp_path / "bundle")
    (tmp_path / "bundle" / "card.toml").unlink()
    os.symlink("/etc/passwd", tmp_path / "bundle" / "card.toml")
    assert "error: card.toml: is not a plain file (links, folders and devices are refused)" in _errors(
        validate(tmp_path / "bundle", boards)
    )


def test_file_that_is_no_zip(boards: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 nothing")
    assert any("is not a readable zip file" in line for line in _errors(validate(tmp_path / "x.zip", boards)))


def test_nothing_there(boards: Path, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="no such file or folder"):
        validate(tmp_path / "absent.zip", boards)


def test_findings_cannot_forge_lines() -> None:
    assert "\n" not in str(Finding("error", "a\nerror: b", "\x1b[31mred"))
    assert "\x1b" not in str(Finding("error", "a", "\x1b[31mred"))


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
    rising = bundle_of(tmp_path, board, "B", model="b", fragility=-0.9, skill=-1.0)
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
