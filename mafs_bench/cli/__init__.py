"""The command line: parse, call, print. A known error is one line on stderr.

Exit codes: 0, 1 for a failure, 130 where the user stopped it. Those of ``check`` are its verdict (0 pass, 1 regression,
2 inconclusive), and 3 for every other end.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any, cast

import typer

from mafs_bench.cli.encoding import make_output_safe
from mafs_bench.cli.groups import GroupedCommands
from mafs_bench.errors import INTERRUPTED, InterruptedRunError, MafsBenchError, failure_code, one_line
from mafs_bench.version import __version__

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
"""Modules of this package; each one registers its commands with ``register(app)``."""

app = typer.Typer(
    name="mafs-bench",
    cls=GroupedCommands,
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


_DEBUG = "--debug"


@app.callback()
def _root(
    debug: bool = typer.Option(False, _DEBUG, help="Show the traceback of an error; allowed anywhere."),
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Parse the options before a command."""


for _name in _COMMANDS:
    importlib.import_module(f"mafs_bench.cli.{_name}").register(app)


_UsageError = cast("type[Any]", typer.BadParameter.__base__)
"""The exception for a wrong command line; typer has no public name for it."""


def main() -> None:
    """Run the command line; the entry point of ``mafs-bench``."""
    # Threads that spin at OpenMP's barriers would take CPU time from the workers that corrupt images.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    make_output_safe()
    words = [word for word in sys.argv[1:] if word != _DEBUG]
    sys.exit(_run(words, failure_code(words), debug=_DEBUG in sys.argv[1:]))


def _run(words: list[str], failed: int, debug: bool) -> int | None:
    """Run the command; ``failed`` is the exit code of a failure. ``debug`` shows the traceback of every error."""
    try:
        code = cast("int | None", app(words, standalone_mode=False))
    except InterruptedRunError as error:
        return _say(str(error), INTERRUPTED)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return failed
        return _say(_wrong_usage(error), failed)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as error:
        if failed == 1:
            raise
        # For example by a model's own code: its exit code is not a verdict.
        return _say(f"the program was ended by a call of exit (exit code {error.code})", failed)
    except Exception as error:
        message = _known(error)
        if debug or message is None:
            traceback.print_exc()
        return _say(message or "an unforeseen error; please report the lines above", failed)
    return _say("interrupted; what was finished is stored", code) if code == INTERRUPTED else code


def _known(error: Exception) -> str | None:
    """The message for an error that is not a fault of this program; None for an unexpected one."""
    from mafs_bench.api.checks import failure_in_user_code

    if isinstance(error, MafsBenchError):
        return str(error)
    return failure_in_user_code(error) or (one_line(error) if isinstance(error, OSError) else None)


def _say(message: str, code: int) -> int:
    print(f"mafs-bench: {' '.join(message.split())}", file=sys.stderr)
    return code


def _wrong_usage(error: Any) -> str:
    """The fault in the command line, and the values that the option allows."""
    wrong = error.format_message().rstrip(".")
    takes = getattr(getattr(error, "param", None), "help", None)
    more = f"; see {error.ctx.command_path} --help" if error.ctx else ""
    return f"{wrong[:1].lower()}{wrong[1:]}{f' ({takes})' if takes else ''}{more}"
