"""The workflows that meet pull requests from strangers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mafs_bench.leaderboard.markdown import review
from mafs_bench.leaderboard.validation import validate
from tests.support.fake_board import bundle_of, open_board, submit_model

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
GITHUB = Path(__file__).parents[2] / ".github"


def _workflow(name: str) -> dict[Any, Any]:
    return yaml.safe_load((GITHUB / "workflows" / name).read_text())


def _steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.fixture(scope="module")
def neutraliser() -> ModuleType:
    spec = importlib.util.spec_from_file_location("neutralise", GITHUB / "neutralise.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_workflow_runs_with_rights_on_a_pull_request() -> None:
    for file in (GITHUB / "workflows").glob("*.yml"):
        assert "pull_request_target" not in _workflow(file.name)[True], file.name


def test_validation_can_only_read() -> None:
    workflow = _workflow("submission.yml")
    assert set(workflow["permissions"].values()) == {"read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert "secrets." not in (GITHUB / "workflows" / "submission.yml").read_text()


def test_comment_never_checks_out_the_pull_request() -> None:
    checkouts = [s for s in _steps(_workflow("submission-comment.yml")) if "checkout" in s.get("uses", "")]
    assert [set(step["with"]) for step in checkouts] == [{"persist-credentials"}]


@pytest.mark.parametrize("name", ["submission.yml", "submission-comment.yml"])
def test_scripts_take_nothing_of_strangers_as_code(name: str) -> None:
    assert [step["run"] for step in _steps(_workflow(name)) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize(
    ("hostile", "gone"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("![x](https://evil.example/p.png)", "!["),
        ("https://evil.example", "https://"),
        ("www.evil.example", "www."),
        ("ping @octocat", "@o"),
        ("closes #12", "#1"),
        ("see GH-12", "GH-1"),
        ("`code` \x1b[31m", "\x1b"),
        ("a\u202eb", "\u202e"),
        ("x" * 200_000, "x" * 60_000),
    ],
)
def test_strangers_text_is_made_harmless(neutraliser: ModuleType, hostile: str, gone: str) -> None:
    made = neutraliser.neutralise(hostile)
    assert gone not in made


def test_links_are_made_harmless(neutraliser: ModuleType) -> None:
    made = neutraliser.neutralise("[click](https://evil.example)")
    assert made.endswith("\\[click\\](https\u200b://evil.example)")


def test_tables_survive(neutraliser: ModuleType) -> None:
    table = "## Mine: accepted\n\n| model | rank |\n| --- | --- |\n| Mine (new) | 1 |\n"
    assert neutraliser.neutralise(table).endswith(table)


def test_review_shows_the_board_with_the_newcomer(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    submit_model(tmp_path, board, "old", model="old", skill=0.5)
    bundle = bundle_of(tmp_path, board, "young", model="young", skill=3.0)
    text = review("young", validate(bundle, tmp_path / "boards"), tmp_path / "boards")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0].startswith("| model | status | rank")
    assert rows[2].startswith("| young (new) | unverified | 1 [1–1] | 1 |")
    assert rows[3].startswith("| old | verified | 1 [1–1] | 1 |")
    assert not (board.path / "submissions" / "young").exists()


def test_review_of_a_refused_bundle_lists_the_defects(tmp_path: Path) -> None:
    board = open_board(tmp_path / "boards")
    bundle = bundle_of(tmp_path, board, "young", model="young", seed=0)
    bundle.write_bytes(bundle.read_bytes()[:-30])
    text = review("young", validate(bundle, tmp_path / "boards"), tmp_path / "boards")
    assert text.startswith("## young: refused")
    assert "- error: young.zip: is not a readable zip file" in text


def _may_change(path: str) -> bool:
    """What the workflow's own expression says."""
    script = next(
        step["run"] for step in _steps(_workflow("submission.yml")) if step.get("name") == "Validate"
    )
    expression = re.search(r"generated='([^']+)'", script)
    assert expression is not None
    return re.fullmatch(expression[1], path) is not None


@pytest.mark.parametrize(
    "path",
    [
        "leaderboards/README.md",
        "leaderboards/site/index.html",
        "leaderboards/scenes-vqa/BOARD.md",
        "leaderboards/scenes-vqa/board.csv",
        "leaderboards/scenes-vqa/submissions/mine/scores.parquet",
    ],
)
def test_submission_may_bring_records_and_tables(path: str) -> None:
    assert _may_change(path)


@pytest.mark.parametrize(
    "path",
    [
        "leaderboards/scenes-vqa/board.toml",
        "leaderboards/scenes-vqa/rows.parquet",
        "leaderboards/scenes-vqa/verified.toml",
        "mafs_bench/leaderboard/checks.py",
        ".github/workflows/submission.yml",
    ],
)
def test_submission_may_not_change_what_a_board_pins_or_maintainers_verified(path: str) -> None:
    assert not _may_change(path)


def test_correction_of_an_entry_is_validated_as_one() -> None:
    script = next(
        step["run"] for step in _steps(_workflow("submission.yml")) if step.get("name") == "Validate"
    )
    assert 'if [ -d "base/$folder" ]; then replace=--replace; fi' in script
