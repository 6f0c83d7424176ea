"""Forged bundles, made of real records, are refused or flagged for what they forge, and move no other entry."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mafs_bench.leaderboard.boards import BoardFolder, default_root, load_board, write_board
from mafs_bench.leaderboard.bundle import CARD, MANIFEST, RESULTS, SCORES, SPEC, Files, write_bundle
from mafs_bench.leaderboard.pins import Pins, read_pins, write_pins
from mafs_bench.leaderboard.publish import accept_flags, add_submission
from mafs_bench.leaderboard.records import encode
from mafs_bench.leaderboard.schemas import Verification
from mafs_bench.leaderboard.standings import ALL, Standings, standings
from mafs_bench.leaderboard.submission import Submission, manifest_json, sha256
from mafs_bench.leaderboard.validation import read_submission, screen, validate
from mafs_bench.leaderboard.verification import record
from mafs_bench.stats.resampling import Resampling, replicate_all
from mafs_bench.tasks import get_task

BOARD = "scenes-fused-retrieval"
ENTRIES = ("mafs-clip-2", "mafs-clip", "clip-mean", "clip-static", "clip-image-only", "blip", "chance")
CORRUPTIONS = (
    *("gaussian_noise", "defocus_blur", "fog", "contrast", "pixelate", "rotation", "occlusion", "snow"),
    *("keyboard", "char_swap", "synonym", "passive", "active", "casing", "truncation", "word_deletion"),
    *("image_dropout", "caption_mix"),
)

Edit = Callable[[str, pd.DataFrame, Pins], None]


@dataclass(frozen=True)
class Forge:
    """An open board over some conditions of a real one, with some of its entries, all verified but ``chance``."""

    board: BoardFolder
    pins: Pins
    entries: dict[str, Submission]
    before: Standings

    def bundle(self, out: Path, source: str, edit: Edit | None = None, **changes: object) -> Path:
        """Write a bundle whose parts fit each other: records of ``source``, edited, under another name."""
        own = self.entries[source]
        frames = {label: frame.astype({"id": str, "group": str}) for label, frame in own.frames.items()}
        for label, frame in frames.items() if edit else ():
            edit(label, frame, self.pins)
        card = own.card.model_copy(update={"name": "Forged", "backbone": None, "reads": None})
        spec = own.spec.model_copy(update={"model": "forged", "weights": hashlib.sha256(b"f").hexdigest()})
        lines = {**card.model_dump(exclude_none=True), **changes}
        files = _files(own, frames, self.board, spec.model_dump(mode="json"), lines)
        write_bundle(files, out / "forged.zip")
        return out / "forged.zip"


def _files(
    own: Submission,
    frames: dict[str, pd.DataFrame],
    board: BoardFolder,
    spec: object,
    card: dict[str, object],
) -> Files:
    cells = [cell.model_dump(mode="json") for cell in own.cells if cell.label in frames]
    for cell in cells:
        label = "clean" if cell["corruption"] is None else f"{cell['corruption']}-{cell['severity']}"
        metrics = [m for m in get_task(board.board.task).metrics if m.name in cell["metrics"]]
        made = replicate_all([(m, frames[label]) for m in metrics], Resampling(frames[label]["group"], 1))
        for metric, one in zip(metrics, made, strict=True):
            value = None if np.isnan(one.value) else one.value
            cell["metrics"][metric.name] = {
                "value": value, "low": value, "high": value, "n": one.n, "n_unscored": one.n_unscored
            }  # fmt: skip
    files = {
        SPEC: json.dumps(spec).encode(),
        RESULTS: json.dumps(cells).encode(),
        CARD: "".join(f"{key} = {json.dumps(value)}\n" for key, value in card.items()).encode(),
        SCORES: encode(frames, board.board.task),
    }
    return {**files, MANIFEST: manifest_json(board.name, files)}


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    real = load_board(default_root(), BOARD)
    names = tuple(name for name in real.board.corruptions if name in CORRUPTIONS)
    small = real.board.model_copy(update={"corruptions": names, "archive": False, "rows": ""})
    folder = BoardFolder(tmp_path_factory.mktemp("boards") / BOARD, small)
    write_board(folder)
    pinned = read_pins(real)
    kept = {label: pinned.inapplicable[label] for label in small.conditions if label in pinned.inapplicable}
    board = write_pins(folder, Pins(pinned.fixed, kept), small.revision)
    for name in ENTRIES:
        own = read_submission(real.path / "submissions" / name, real)
        frames = {label: own.frames[label].astype({"id": str, "group": str}) for label in small.conditions}
        card = own.card.model_dump(exclude_none=True, mode="json")
        files = _files(own, frames, board, own.spec.model_dump(mode="json"), card)
        write_bundle(files, board.path / "submissions" / name)
        if name != "chance":
            verdict = Verification(manifest=sha256(files[MANIFEST]), model=name, cells=("clean",))
            record(board.path, name, verdict)
    entries = {name: read_submission(board.path / "submissions" / name, board) for name in ENTRIES}
    return Forge(board, read_pins(board), entries, standings(board))


def _applies(label: str, frame: pd.DataFrame, pins: Pins) -> np.ndarray:
    return ~pins.lacks(label)


def _draw(label: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(label.encode()).hexdigest()[:8], 16))


def score_what_cannot_apply(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    """Random ranks, and only where the corruption applies to nothing, a hit."""
    frame.loc[~_applies(label, frame, pins), "score"] = 1.0


def null_all_misses(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    if label != "clean":
        frame.loc[frame["score"] > 1, "score"] = np.nan


def null_some_misses(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    if label != "clean":
        frame.loc[(frame["score"] > 1) & (np.arange(len(frame)) % 3 == 0), "score"] = np.nan


def keep_one_row(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    if label != "clean":
        frame.loc[frame.index != _draw(label).integers(len(frame)), "score"] = np.nan


def make_hits_of_misses(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    """40 % of the misses become hits, and the other ranks change by one."""
    misses = frame.index[frame["score"] > 1].to_numpy()
    made = _draw(label).random(len(misses)) < 0.4
    frame.loc[misses[made], "score"] = 1.0
    frame.loc[misses[~made], "score"] += 1


def make_hits_and_a_few_misses(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    """The same, covered by a few hits that become misses."""
    hits = frame.index[frame["score"] == 1].to_numpy()
    make_hits_of_misses(label, frame, pins)
    frame.loc[hits[_draw(label + "hits").random(len(hits)) < 0.005], "score"] = 7.0


def make_twelve_hits(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    frame.loc[frame.index[frame["score"] > 1][:12], "score"] = 1.0


def rerun(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    """Another machine: under one condition in ten, a few ranks differ by one."""
    if _draw(label).random() < 0.1:
        frame.loc[frame.index[frame["score"] > 2][:4], "score"] += 1


def all_hits(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    frame["score"] = np.where(_applies(label, frame, pins), 1.0, np.nan)


def independent(label: str, frame: pd.DataFrame, pins: Pins, hits: float) -> None:
    ranks = np.where(_draw(label).random(len(frame)) < hits, 1.0, _draw(label).integers(2, 90, len(frame)))
    frame["score"] = np.where(_applies(label, frame, pins), ranks, np.nan)


def harder_is_easier(label: str, frame: pd.DataFrame, pins: Pins) -> None:
    independent(label, frame, pins, 0.9 if label.endswith("-4") else 0.6)


def clean_everywhere(forge: Forge, source: str) -> Edit:
    clean = forge.entries[source].frames["clean"]["score"].to_numpy()

    def edit(label: str, frame: pd.DataFrame, pins: Pins) -> None:
        frame["score"] = np.where(_applies(label, frame, pins), clean, np.nan)

    return edit


def best_of_two(forge: Forge, other: str) -> Edit:
    def edit(label: str, frame: pd.DataFrame, pins: Pins) -> None:
        frame["score"] = np.fmin(frame["score"], forge.entries[other].frames[label]["score"])

    return edit


FORGERIES: dict[str, tuple[str, Edit, str]] = {
    "not applicable": (
        "chance",
        score_what_cannot_apply,
        "error: scores.parquet: 1830 scores are given where the",
    ),
    "nulls for misses": ("chance", null_all_misses, "error: scores.parquet: 1"),
    "nulls for misses of a good model": (
        "mafs-clip",
        null_all_misses,
        "are null where the board requires one",
    ),
    "nulls for a third": ("mafs-clip", null_some_misses, "are null where the board requires one"),
    "one row": ("chance", keep_one_row, "are null where the board requires one"),
    "derived": ("mafs-clip-2", make_hits_of_misses, "flag: scores.parquet: derived from mafs-clip-2"),
    "derived, covered": (
        "mafs-clip-2",
        make_hits_and_a_few_misses,
        "flag: scores.parquet: derived from mafs-clip-2",
    ),
    "twelve hits": ("mafs-clip-2", make_twelve_hits, "flag: scores.parquet: a copy of mafs-clip-2"),
    "rerun": ("clip-mean", rerun, "flag: scores.parquet: a copy of clip-mean"),
    "all hits": ("chance", all_hits, "flag: scores.parquet: scores of clean under corruptions: 8 of 8"),
    "harder is easier": (
        "chance",
        harder_is_easier,
        "flag: scores.parquet: better under more of a corruption",
    ),
}


def _check(forge: Forge, bundle: Path, expected: str) -> None:
    report = validate(bundle, forge.board.path.parent)
    lines = [str(finding) for finding in report.findings]
    assert any(expected in line for line in lines), lines
    assert report.flagged or not report.accepted
    if report.accepted:
        assert report.submission is not None
        after = standings(forge.board, report.submission)
        assert [e for e in _shown(after) if e[0] != "forged"] == _shown(forge.before)
        forged = next(entry for entry in after.entries if entry.name == "forged")
        assert forged.status == "flagged"
        assert forged.standings[ALL].place.rank is None


def _shown(made: Standings) -> list[tuple[object, ...]]:
    return [(e.name, e.status, e.flags, e.cells, e.standings) for e in made.ordered()]


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_named_and_moves_nobody(name: str, forge: Forge, tmp_path: Path) -> None:
    source, edit, expected = FORGERIES[name]
    _check(forge, forge.bundle(tmp_path, source, edit), expected)


def test_clean_scores_in_every_cell(forge: Forge, tmp_path: Path) -> None:
    bundle = forge.bundle(tmp_path, "clip-image-only", clean_everywhere(forge, "clip-image-only"))
    _check(forge, bundle, "scores of clean under corruptions: 8 of 8 corruptions of the image")


def test_best_of_two_entries(forge: Forge, tmp_path: Path) -> None:
    _check(
        forge,
        forge.bundle(tmp_path, "mafs-clip-2", best_of_two(forge, "mafs-clip")),
        "derived from mafs-clip, mafs-clip-2",
    )


def test_backbone_does_not_excuse_derived_scores(forge: Forge, tmp_path: Path) -> None:
    """Who names the backbone is related; made from an entry all the same."""
    backbone = forge.entries["mafs-clip-2"].card.backbone
    bundle = forge.bundle(tmp_path, "mafs-clip-2", make_hits_of_misses, backbone=backbone)
    _check(forge, bundle, "derived from mafs-clip-2")


def test_card_that_says_that_a_model_reads_less(forge: Forge, tmp_path: Path) -> None:
    """``reads`` excuses scores that do not change, and nothing else."""
    bundle = forge.bundle(tmp_path, "clip-image-only", reads=["text"])
    _check(forge, bundle, "flag: card.toml: says that the model does not read the image")


def test_entries_of_the_board_are_not_flagged(forge: Forge) -> None:
    for name, own in forge.entries.items():
        others = [other for key, other in forge.entries.items() if key != name]
        findings = screen(own, others, forge.board, forge.pins)
        assert [str(f) for f in findings if f.level != "note"] == [], name


def test_related_entries_are_named(forge: Forge) -> None:
    others = [forge.entries[name] for name in ("mafs-clip", "blip")]
    lines = [str(f) for f in screen(forge.entries["mafs-clip-2"], others, forge.board, forge.pins)]
    assert "note: card.toml: related by its backbone: mafs-clip" in lines


def _copy(forge: Forge, folder: Path) -> BoardFolder:
    shutil.copytree(forge.board.path, folder / BOARD)
    return load_board(folder, BOARD)


def test_flags_that_a_maintainer_accepts_are_of_one_bundle(forge: Forge, tmp_path: Path) -> None:
    board = _copy(forge, tmp_path / "boards")
    bundle = forge.bundle(tmp_path, "mafs-clip-2", make_hits_of_misses)
    assert add_submission(bundle, tmp_path / "boards").flagged
    path = board.path / "submissions" / "forged"

    def status() -> tuple[str, bool]:
        entry = next(entry for entry in standings(board).entries if entry.name == "forged")
        return entry.status, entry.standings[ALL].place.rank is not None

    assert status() == ("flagged", False)
    accept_flags(path, board, "trained further from it")
    assert status() == ("unverified", True)
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    assert status() == ("flagged", False)


def test_mediocre_entries_change_nobodys_place(forge: Forge, tmp_path: Path) -> None:
    """Unverified entries, however many, leave rank, group and interval of the verified ones as they are."""
    board = _copy(forge, tmp_path)
    rng = np.random.default_rng(0)
    for number in range(5):
        own = forge.entries["chance"]
        frames = {label: frame.astype({"id": str, "group": str}) for label, frame in own.frames.items()}
        for label, frame in frames.items():
            independent(label, frame, forge.pins, 0.55 + 0.01 * rng.random())
        card = {**own.card.model_dump(exclude_none=True), "name": f"junk{number}"}
        spec = own.spec.model_copy(update={"model": f"junk{number}", "weights": f"{number}" * 64})
        files = _files(own, frames, forge.board, spec.model_dump(mode="json"), card)
        write_bundle(files, board.path / "submissions" / f"junk{number}")
    after = standings(board)
    assert len(after.entries) == len(forge.before.entries) + 5
    old = replace(after, entries=tuple(e for e in after.entries if not e.name.startswith("junk")))
    assert _shown(old) == _shown(forge.before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["scenes-captioning", "scenes-fused-retrieval", "scenes-matching", "scenes-retrieval", "scenes-vqa"],
)
def test_entries_of_the_project_are_not_flagged(name: str) -> None:
    board = load_board(default_root(), name)
    entries = [read_submission(path, board) for path in board.submissions()]
    pins = read_pins(board)
    for own in entries:
        findings = screen(own, [other for other in entries if other is not own], board, pins)
        assert [str(f) for f in findings if f.level != "note"] == [], own.name
