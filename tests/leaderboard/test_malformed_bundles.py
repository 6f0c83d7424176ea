"""Each of many malformed bundles is refused for its defect."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.bundle import LARGEST, write_bundle
from mafs_bench.leaderboard.findings import Finding
from mafs_bench.leaderboard.validation import validate
from tests.support.bundle_draft import Draft, check_draft, errors_of
from tests.support.malformed import MALFORMED, containers, descriptions, results, scores


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_malformed_bundle_is_refused(name: str, good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    spoil, expected = MALFORMED[name]
    draft = Draft(dict(good))
    spoil(draft)
    report = check_draft(draft, boards, tmp_path)
    assert not report.accepted
    assert any(expected in line for line in errors_of(report)), errors_of(report)


def test_there_are_many_malformed_bundles() -> None:
    assert len(MALFORMED) >= 60
    homes = {spoil.__module__ for spoil, _ in MALFORMED.values()}
    assert homes == {module.__name__ for module in (containers, descriptions, results, scores)}


def test_all_defects_are_listed_at_once(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    draft = Draft(dict(good))
    several = (
        descriptions.other_seed,
        descriptions.other_suite_hash,
        descriptions.card_without_licence,
        results.percent_for_share,
        scores.rank_zero,
        scores.sample_left_out,
    )
    for spoil in several:
        spoil(draft)
    lines = errors_of(check_draft(draft, boards, tmp_path))
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
    assert any("card.toml: cannot be unpacked" in line for line in errors_of(report))


def test_link_in_a_folder_is_refused(good: dict[str, bytes], boards: Path, tmp_path: Path) -> None:
    write_bundle(good, tmp_path / "bundle")
    (tmp_path / "bundle" / "card.toml").unlink()
    os.symlink("/etc/passwd", tmp_path / "bundle" / "card.toml")
    assert "error: card.toml: is not a plain file (links, folders and devices are refused)" in errors_of(
        validate(tmp_path / "bundle", boards)
    )


def test_file_that_is_no_zip(boards: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 nothing")
    assert any(
        "is not a readable zip file" in line for line in errors_of(validate(tmp_path / "x.zip", boards))
    )


def test_nothing_there(boards: Path, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="no such file or folder"):
        validate(tmp_path / "absent.zip", boards)


def test_findings_cannot_forge_lines() -> None:
    assert "\n" not in str(Finding("error", "a\nerror: b", "\x1b[31mred"))
    assert "\x1b" not in str(Finding("error", "a", "\x1b[31mred"))
