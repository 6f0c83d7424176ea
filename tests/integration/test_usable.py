"""``--on-error skip`` and ``--exclude``: one set of samples, decided before the first cell, the same in all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from typer.testing import CliRunner, Result

from mafs_bench.cli import app
from mafs_bench.datasets.exclude import without
from mafs_bench.errors import DataError, MafsBenchError
from mafs_bench.runs.store import StoredRun, read_run
from mafs_bench.types import Relevance
from tests.support.numbers import numbers
from tests.support.toy import TOY_ADAPTER, write_toy_folder

N = 14
UNUSABLE = {
    "002.png": "002.png",  # not an image
    "003.png": "missing",
    "004.png": "with an empty caption",
    "005.png": "40x20 is too small to corrupt",
    "006.png": "without a caption",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_toy_folder(tmp_path_factory.mktemp("toy"), N)
    (made / "images" / "002.png").write_bytes(b"nothing")
    (made / "images" / "003.png").unlink()
    PILImage.fromarray(np.full((20, 40, 3), 99, np.uint8)).save(made / "images" / "005.png")
    lines = [json.loads(line) for line in (made / "captions.jsonl").read_text().splitlines()]
    lines[4]["captions"][1], lines[6]["captions"] = "  ", []
    (made / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


def said(done: Result) -> str:
    """What a user reads: the output, and the error that the command line prints as one line."""
    assert done.exception is None or isinstance(done.exception, MafsBenchError)
    return f"{done.output}{done.exception or ''}"


def command(folder: Path, out: Path, *more: str) -> Result:
    asked = ["run", "--model", TOY_ADAPTER, "--dataset", str(folder), "--severity", "1,5", "--out", str(out)]
    asked += ["--suite", "core@1"]  # at native size, where an image can be too small to corrupt
    return CliRunner().invoke(app, [*asked, *(more or ("--corruption", "gaussian,keyboard"))])


def ids(run: StoredRun) -> list[set[str]]:
    """The images of every cell."""
    return [set(run.frame(cell)["group"]) for cell in run.results]


def test_the_samples_are_the_same_in_all_cells(folder: Path, tmp_path: Path) -> None:
    done = command(folder, tmp_path / "run", "--corruption", "gaussian,keyboard", "--on-error", "skip")
    assert done.exit_code == 0, done.output
    run = read_run(tmp_path / "run")
    kept = {f"{i:03d}.png" for i in range(N)} - UNUSABLE.keys()
    assert len(run.results) > 6
    assert all(found == kept for found in ids(run))
    assert all(
        run.frame(cell)["score"].notna().all() for cell in run.results if cell.corruption != "keyboard"
    )
    assert set(run.spec.skipped) == set(UNUSABLE)
    for name, reason in UNUSABLE.items():
        assert reason in run.spec.skipped[name]
        assert f"left out: {name}: {run.spec.skipped[name]}" in done.output
    assert "decoded 14 images in" in done.output
    note = next(note for note in run.spec.notes if "--on-error skip" in note)
    assert note.startswith("5 of 14 images are left out of all cells")
    assert "002.png (" in note


def test_audits_leave_them_out(folder: Path, tmp_path: Path) -> None:
    command(folder, tmp_path / "run", "--corruption", "gaussian", "--on-error", "skip")
    cells = [cell for cell in read_run(tmp_path / "run").results if cell.corruption]
    assert {cell.audit["images_changed"] for cell in cells} == {1.0}


def test_small_images_stay_where_none_is_corrupted(folder: Path, tmp_path: Path) -> None:
    command(folder, tmp_path / "run", "--corruption", "keyboard", "--on-error", "skip")
    assert set(read_run(tmp_path / "run").spec.skipped) == UNUSABLE.keys() - {"005.png"}


def test_a_run_that_skips_goes_on(folder: Path, tmp_path: Path) -> None:
    command(folder, tmp_path / "run", "--corruption", "gaussian,keyboard", "--on-error", "skip")
    before = (tmp_path / "run" / "results.json").read_bytes()
    next((tmp_path / "run" / "cells").glob("retrieval--keyboard-5*")).unlink()
    done = command(folder, tmp_path / "run", "--corruption", "gaussian,keyboard", "--on-error", "skip")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "results.json").read_bytes() == before


def test_without_skip_the_first_kind_of_fault_is_named(folder: Path, tmp_path: Path) -> None:
    done = command(folder, tmp_path / "run")
    assert done.exit_code == 1
    assert "1 of 14 images missing below" in said(done)
    assert "003.png" in said(done)
    assert "--on-error skip" in said(done)


def test_excluded_ids_are_in_no_cell(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "out.txt"
    listed.write_text("\n".join([*UNUSABLE, "", "001.png", "001.png"]) + "\n")
    done = command(folder, tmp_path / "run", "--corruption", "gaussian,keyboard", "--exclude", str(listed))
    assert done.exit_code == 0, done.output
    run = read_run(tmp_path / "run")
    assert run.spec.excluded == (*UNUSABLE, "001.png")
    assert all(len(found) == N - 6 and "001.png" not in found for found in ids(run))
    assert (tmp_path / "run" / "excluded.txt").read_text().splitlines() == [*UNUSABLE, "001.png"]
    assert "6 samples are left out of all cells (--exclude)" in said(done)
    other = command(folder, tmp_path / "run", "--corruption", "gaussian,keyboard", "--on-error", "skip")
    assert other.exit_code == 1
    assert "holds another run" in said(other)


def test_an_unreadable_image_ends_a_run_that_does_not_skip(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "out.txt"
    listed.write_text("003.png\n004.png\n006.png\n")
    done = command(folder, tmp_path / "run", "--corruption", "gaussian", "--exclude", str(listed))
    assert done.exit_code == 1
    assert "sample 002.png: " in said(done)
    assert "--exclude FILE" in said(done)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01.png\n", "1 ids are not in"),
        ("\n".join(f"{i:03d}.png" for i in range(N)), "leaves no samples"),
    ],
)
def test_what_cannot_be_excluded_is_one_line(folder: Path, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "out.txt").write_text(text)
    done = command(
        folder, tmp_path / "run", "--corruption", "gaussian", "--exclude", str(tmp_path / "out.txt")
    )
    assert done.exit_code == 1
    assert expected in said(done)


def test_a_missing_list_is_one_line(folder: Path, tmp_path: Path) -> None:
    done = command(
        folder, tmp_path / "run", "--corruption", "gaussian", "--exclude", str(tmp_path / "no.txt")
    )
    assert (done.exit_code, "no.txt cannot be read" in said(done)) == (1, True)


def test_where_nothing_is_left_it_is_said(folder: Path, tmp_path: Path) -> None:
    rest = tmp_path / "out.txt"
    rest.write_text("\n".join(f"{i:03d}.png" for i in range(N) if f"{i:03d}.png" not in UNUSABLE))
    done = command(
        folder, tmp_path / "run", "--corruption", "gaussian", "--on-error", "skip", "--exclude", str(rest)
    )
    assert done.exit_code == 1
    assert "no image of" in said(done)


def test_what_is_true_is_counted_anew() -> None:
    everywhere = Relevance(
        tuple(np.array([i - i % 2, i - i % 2 + 1]) for i in range(6) for _ in range(2)),
        tuple(np.arange(4) + 4 * (i // 2) for i in range(6)),
        (4,) * 6,
    )
    left = without(numbers(6, everywhere), ("0", "3"))
    assert [sample.id for sample in left.samples] == ["1", "2", "4", "5"]
    assert left.relevance is not None
    assert [list(row) for row in left.relevance.caption_images] == [[0]] * 2 + [[1]] * 2 + [[2, 3]] * 4
    assert left.relevance.image_captions is not None
    assert [list(row) for row in left.relevance.image_captions] == [
        [0, 1],
        [2, 3],
        [4, 5, 6, 7],
        [4, 5, 6, 7],
    ]
    assert left.relevance.image_totals == (4, 4, 4, 4)
    with pytest.raises(DataError, match="did you mean '5'"):
        without(numbers(6), ("55",))
