"""What goes wrong in a user's code: one line with file, line and the call that failed."""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mafs_bench.adapters.base import CAPABILITIES, Adapter
from mafs_bench.errors import AdapterError, MafsBenchError

_PACKAGE = Path(__file__).parents[1].resolve()
_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()
_INSTALLED = {"site-packages", "dist-packages"}
_LONGEST = 300
"""Characters of an exception's message that are shown."""


def is_user_file(file: str) -> bool:
    """Whether a source file is neither of this package, nor installed, nor of Python itself."""
    path = Path(file).resolve()
    known = _PACKAGE in path.parents or _LIBRARY in path.parents or bool(_INSTALLED & set(path.parts))
    return not known and path.is_file()


def describe(error: BaseException) -> str:
    """An exception in one line: type and message; for one of a user's code also the call, file and line."""
    return failure_in_user_code(error) or _in_one_line(error)


def failure_in_user_code(error: BaseException) -> str | None:
    """``encode_images failed in mine.py, line 12 (CODE): TYPE: MESSAGE``; None where no user's code was called."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = next((i for i, frame in enumerate(frames) if _PACKAGE in Path(frame.filename).parents), None)
    user = [] if inside is None else [frame for frame in frames[inside:] if is_user_file(frame.filename)]
    if not user:
        return None
    called, failed = user[0].name, user[-1]
    code = f" ({failed.line.strip()})" if failed.line else ""
    return f"{called} failed in {failed.filename}, line {failed.lineno}{code}: {_in_one_line(error)}"


@contextmanager
def user_code_in_one_line(name: str) -> Iterator[None]:
    """Turn what a user's code raises into ``AdapterError``; everything else passes. ``name`` is the model's."""
    try:
        yield
    except MafsBenchError:
        raise
    except Exception as error:  # a user's code may raise anything
        failure = failure_in_user_code(error)
        if failure is None:
            raise
        raise AdapterError(f"{name}: {failure}") from error


def check_signatures(cls: type, name: str) -> None:
    """Check that a class's methods take what they will be given. Raises ``AdapterError`` naming the arguments."""
    for method in CAPABILITIES:
        own = inspect.getattr_static(cls, method, None)
        if own is None or own is inspect.getattr_static(Adapter, method):
            continue
        wanted = [*inspect.signature(getattr(Adapter, method)).parameters][1:]
        bound = 0 if isinstance(own, staticmethod | classmethod) else 1
        try:
            inspect.signature(own.__func__ if isinstance(own, staticmethod | classmethod) else own).bind(
                *[None] * (bound + isinstance(own, classmethod) + len(wanted))
            )
        except ValueError:  # a function without a signature, as in an extension module
            continue
        except TypeError as error:
            raise AdapterError(f"{name}: {method} must take ({', '.join(wanted)}): {error}") from error


def _in_one_line(error: BaseException) -> str:
    message = " ".join(str(error).split())
    shown = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} …"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
