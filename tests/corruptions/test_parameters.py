"""Parameters of a suite are refused before anything is run; those of the published suites are all read."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.parameters import require_ranges, require_runnable
from mafs_bench.errors import SuiteError, UsageError
from mafs_bench.runs.plan import RunRequest, make_plan

SUITE = "mm-robustness-2022@2"


@pytest.mark.parametrize("name", ["core@1", "core@2", "mm-robustness-2022@2", "smoke@1"])
def test_published_suites_have_the_right_parameters(name: str) -> None:
    require_ranges(list(suites.load(name).corruptions.values()))


def test_a_misspelt_parameter_of_a_text_corruption_is_named() -> None:
    keyboard = suites.load("core@1").corruptions["keyboard"]
    misspelt = replace(keyboard, levels=tuple({"rat": params["rate"]} for params in keyboard.levels))
    with pytest.raises(SuiteError, match=r"keyboard\.levels\.rate is missing; it has rat"):
        require_ranges([misspelt])
    added = replace(keyboard, levels=tuple({**params, "rates": 0.5} for params in keyboard.levels))
    with pytest.raises(SuiteError, match=r"unknown parameter 'rates'. Did you mean 'rate'"):
        require_ranges([added])


def test_an_image_parameter_out_of_range_is_named() -> None:
    contrast = suites.load("core@1").corruptions["contrast"]
    key = next(iter(contrast.levels[0]))
    with pytest.raises(SuiteError, match=f"contrast.levels.{key} = -5"):
        require_ranges([replace(contrast, levels=tuple({key: -5.0} for _ in range(5)))])


def test_an_absent_reference_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install imagecorruptions"):
        require_runnable([], "reference")


@pytest.mark.parametrize(
    ("operator", "variable"), [("stylize", "MAFS_BENCH_ADAIN"), ("back_translation", "MAFS_BENCH_MARIAN")]
)
def test_weights_that_are_absent_are_named_at_plan_time(
    operator: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    name = next(c.name for c in suites.load(SUITE).corruptions.values() if c.operator == operator)
    with pytest.raises(UsageError, match=variable):
        make_plan(RunRequest("chance", name, suite=SUITE, limit=2))


def test_a_shuffle_of_one_image_is_refused_at_plan_time() -> None:
    with pytest.raises(UsageError, match="pair_shuffle: an image needs another one as a partner"):
        make_plan(RunRequest("chance", "pair_shuffle", limit=1))
    assert make_plan(RunRequest("chance", "pair_shuffle", limit=2)).cells


BAD = """
name = "mine"
version = 1
[corruptions.dim]
operator = "contrast"
modality = "image"
family = "digital"
levels.factr = [0.9, 0.8, 0.7, 0.6, 0.5]
[corruptions.typos]
operator = "keyboard"
modality = "text"
family = "typo"
levels.rate = [0.1, 0.2, 0.3, 0.4, 0.5]
"""


@pytest.mark.parametrize("command", ["corrupt", "preview", "run", "list"])
def test_every_command_refuses_a_users_suite_that_does_not_fit(command: str, tmp_path: Path) -> None:
    """Also one whose corruptions are not all asked for: the file is checked when it is loaded."""
    file = tmp_path / "mine.toml"
    file.write_text(BAD)
    options = {
        "corrupt": ["--corruption", "typos", "--limit", "2", "--out", str(tmp_path / "out")],
        "preview": ["--corruption", "typos"],
        "run": ["--model", "chance", "--corruption", "typos", "--limit", "2", "--out", str(tmp_path / "out")],
        "list": ["corruptions"],
    }[command]
    done = CliRunner().invoke(app, [command, *options, "--suite", str(file)])
    assert isinstance(done.exception, SuiteError)
    assert "mine@1: corruptions.dim.levels: unknown parameter 'factr'. Did you mean 'factor'" in str(
        done.exception
    )
    assert not (tmp_path / "out").exists()
