"""The command line: parse, call, print. A known error is one line on stderr and exit code 1."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, NoReturn, cast

import typer

from mafs_bench import __version__
from mafs_bench.errors import MafsBenchError

_COMMANDS = (
    "run",
    "corrupt",
    "listing",
    "adapters",
    "leaderboard",
    "report",
    "compare",
    "gate",
    "reproduce",
    "corruptions",
    "preview",
    "data",
    "train",
    "train_backbone",
    "train_baselines",
    "train_scheduler",
    "calibrate",
    "study",
)
"""Modules of this package; each registers its commands with ``register(app)``."""

app = typer.Typer(
    name="mafs-bench",
    help="How robust is a vision-language model? Graded corruptions, per-sample scores, error bars.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes around the help would double the time it takes
    add_completion=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mafs-bench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Take the options that stand before a command."""


for _name in _COMMANDS:
    importlib.import_module(f"mafs_bench.cli.{_name}").register(app)


_UsageError = cast("type[Any]", typer.BadParameter.__base__)
"""What a wrong command line raises; typer has no public name for it."""

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; the entry point of ``mafs-bench``."""
    # Threads that spin at OpenMP's barriers would take from the workers the time in which they corrupt images.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = app(standalone_mode=False)
    except MafsBenchError as error:
        _end(str(error), getattr(error, "exit_code", 1))
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(error.exit_code)
        _end(_wrong_usage(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        _end("interrupted; what was finished is stored", code)
    sys.exit(code)


def _end(message: str, code: int) -> NoReturn:
    print(f"mafs-bench: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _wrong_usage(error: Any) -> str:
    """What is wrong with the command line, and what the option in question takes."""
    wrong = error.format_message().rstrip(".")
    takes = getattr(getattr(error, "param", None), "help", None)
    more = f"; see {error.ctx.command_path} --help" if error.ctx else ""
    return f"{wrong[:1].lower()}{wrong[1:]}{f' ({takes})' if takes else ''}{more}"
