"""The action's shell, run as GitHub runs it, with stand-ins for ``python`` and ``mafs-bench``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / ".github" / "actions" / "check"
STEPS = {s["id"]: s for s in yaml.safe_load((FOLDER / "action.yml").read_text("utf-8"))["runs"]["steps"]}
INPUTS = {
    "BASELINE": "my base.line",
    "MODEL": "models/clip.py:Mine",
    "RUN": "",
    "MARGIN": "1.0",
    "ALPHA": "0.05",
    "JUNIT": "j.xml",
    "ARGUMENTS": "",
    "ALLOW_INCONCLUSIVE": "false",
}

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def step(folder: Path, name: str, stand_in: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step's shell with ``stand_in`` as the body of both commands."""
    for command in ("python", "mafs-bench"):
        script = folder / "bin" / command
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nfor a in "$@"; do echo "<$a>" >> called; done\n{stand_in}\n', "utf-8")
        script.chmod(0o755)
    body = folder / "step.sh"
    body.write_text(STEPS[name]["run"], encoding="utf-8")
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        **INPUTS,
        **inputs,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(body)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def outcome(folder: Path) -> str:
    return (folder / "output").read_text(encoding="utf-8")


def called(folder: Path) -> list[str]:
    file = folder / "called"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, "pass"),
        (1, "regression"),
        (2, "inconclusive"),
        *((code, "error") for code in (3, 4, 126, 127, 130, 137, 139, 143)),
    ],
)
def test_the_outcome_is_that_of_the_exit_code(tmp_path: Path, code: int, expected: str) -> None:
    (tmp_path / "j.xml").write_text("of an earlier check", encoding="utf-8")
    done = step(tmp_path, "check", f"exit {code}")
    assert (done.returncode, outcome(tmp_path)) == (code, f"outcome={expected}\n")
    assert not (tmp_path / "j.xml").exists()


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = step(tmp_path, "check", "exec /nonexistent/mafs-bench")
    assert done.returncode in (126, 127)
    assert outcome(tmp_path) == "outcome=error\n"


@pytest.mark.parametrize(("code", "ends"), [(2, 0), (1, 1), (3, 3)])
def test_inconclusive_alone_can_be_allowed(tmp_path: Path, code: int, ends: int) -> None:
    assert step(tmp_path, "check", f"exit {code}", ALLOW_INCONCLUSIVE="true").returncode == ends


def test_arguments_span_lines_and_keep_quoted_blanks(tmp_path: Path) -> None:
    arguments = "--batch-size 32\n  --out \"runs/this change\"\n--metric t2i_r1 --data-root 'it is $HOME'\n"
    assert step(tmp_path, "check", "exit 0", ARGUMENTS=arguments).returncode == 0
    given = [line[1:-1] for line in called(tmp_path)]
    assert given == [
        *("check", "--baseline", "my base.line", "--margin", "1.0", "--alpha", "0.05", "--github"),
        *("--model", "models/clip.py:Mine", "--junit", "j.xml"),
        *("--batch-size", "32", "--out", "runs/this change", "--metric", "t2i_r1"),
        *("--data-root", "it is $HOME"),
    ]


@pytest.mark.parametrize("arguments", ["", " \n ", "\n"])
def test_no_arguments_add_none(tmp_path: Path, arguments: str) -> None:
    step(tmp_path, "check", "exit 0", ARGUMENTS=arguments)
    assert called(tmp_path)[-2:] == ["<--junit>", "<j.xml>"]


def test_an_unmatched_quote_is_an_error_and_nothing_is_run(tmp_path: Path) -> None:
    done = step(tmp_path, "check", "exit 0", ARGUMENTS='--out "runs')
    assert (done.returncode, outcome(tmp_path), called(tmp_path)) == (3, "outcome=error\n", [])


def test_inputs_are_never_run(tmp_path: Path) -> None:
    evil = "$(touch evil); `touch evil`; touch evil"
    step(tmp_path, "check", "exit 0", ARGUMENTS=evil, MODEL=evil, BASELINE=evil, RUN=evil)
    step(tmp_path, "install", "exit 0", PACKAGE=evil)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("package", ["", "mafs-bench", "mafs_bench"])
def test_a_name_without_a_version_is_not_installed(tmp_path: Path, package: str) -> None:
    done = step(tmp_path, "install", "exit 0", PACKAGE=package)
    assert done.returncode == 3
    assert "name a version or a path" in done.stdout
    assert not called(tmp_path)


def test_the_package_is_installed_by_pip_as_one_argument(tmp_path: Path) -> None:
    package = "mafs-bench[heif] @ git+https://github.com/OWNER/REPO@TAG"
    assert step(tmp_path, "install", "exit 0", PACKAGE=package).returncode == 0
    assert called(tmp_path) == ["<-m>", "<pip>", "<install>", f"<{package}>"]
    assert step(tmp_path, "install", "exit 9", PACKAGE=package).returncode == 9
    assert step(tmp_path, "install", "exit 9", PACKAGE="installed").returncode == 0


def test_a_failed_installation_is_an_error_and_nothing_is_checked() -> None:
    action = yaml.safe_load((FOLDER / "action.yml").read_text("utf-8"))
    assert STEPS["check"]["if"] == "${{ steps.install.outcome == 'success' }}"
    assert action["outputs"]["outcome"]["value"] == "${{ steps.check.outputs.outcome || 'error' }}"
    assert action["inputs"]["package"] == {
        "description": action["inputs"]["package"]["description"],
        "required": True,
    }


def test_the_readme_shows_a_workflow_that_gives_the_action_what_it_takes() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    (used,) = [
        s
        for s in workflow["jobs"]["check"]["steps"]
        if "actions/check@" in s.get("uses", "").replace("checkout", "")
    ]
    assert used["uses"] == "OWNER/REPO/.github/actions/check@TAG"
    inputs = yaml.safe_load((FOLDER / "action.yml").read_text("utf-8"))["inputs"]
    assert set(used["with"]) <= set(inputs)
    assert {name for name, one in inputs.items() if one.get("required")} <= set(used["with"])
    assert used["with"]["package"] == "git+https://github.com/OWNER/REPO@TAG"
