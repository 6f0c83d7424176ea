"""Exit codes: 1 where a command fails, and 3 where ``check`` reaches no verdict."""

from __future__ import annotations

import io
import sys

import pytest

from mafs_bench import __main__, cli
from mafs_bench.errors import failure_code
from mafs_bench.report import baseline


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["mafs-bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    return ended.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--baselin", "x"],
        ["--baseline"],
        ["--baseline", "none", "--run", "none"],
        ["--baseline", "none", "--model", "clip", "--margin", "much"],
        ["--baseline", "none", "--model", "clip", "--batch-size", "0"],
        ["surplus"],
    ],
)
def test_a_wrong_call_of_check_ends_with_3_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert exit_code(monkeypatch, "check", *arguments) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["chekc"], ["run", "--model", "chance"], ["compare", "none", "nothing"], ["--surplus"]]
)
def test_every_other_command_ends_with_1(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    assert exit_code(monkeypatch, *arguments) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), MemoryError(), SystemExit(0), SystemExit(1)])
def test_an_unforeseen_end_of_check_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def fail(path: object) -> None:
        raise error

    monkeypatch.setattr(baseline, "read_baseline", fail)
    assert exit_code(monkeypatch, "check", "--baseline", "b", "--run", "r") == 3
    assert "mafs-bench: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "compare"])
def test_a_stopped_command_ends_with_130(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(baseline, "read_baseline", stop)
    monkeypatch.setattr("mafs_bench.runs.store.read_run", stop)
    arguments = ["--baseline", "b", "--run", "r"] if command == "check" else ["a", "b"]
    assert exit_code(monkeypatch, command, *arguments) == 130


@pytest.mark.parametrize(("command", "code"), [("check", 3), ("run", 1)])
def test_a_broken_installation_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, code: int
) -> None:
    monkeypatch.delattr(cli, "main")  # importing it fails, as where a dependency is missing
    assert exit_code(monkeypatch, command) == code
    assert "ImportError" in capsys.readouterr().err


def test_a_closed_stderr_makes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    assert exit_code(monkeypatch, "check", "--baseline", "none", "--run", "none") == 3


def test_the_command_is_the_first_argument_that_is_no_option() -> None:
    assert failure_code(["check", "--run", "x"]) == 3
    assert failure_code(["--bogus", "check"]) == 3
    assert failure_code(["compare", "check"]) == 1
    assert failure_code([]) == 1
