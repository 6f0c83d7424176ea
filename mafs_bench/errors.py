"""The errors that a user can cause. The command line prints them as one line and exits with ``failure_code``.

MafsBenchError
├── UnknownNameError      an unknown model, corruption, data set …; lists close matches
├── UsageError            a value that is not allowed
├── SuiteError            a suite file that does not fit the schema
├── DataError             an image, an annotation file or a folder that cannot be read
├── WeightsError          weights that are missing or do not fit
├── AdapterError          an adapter that breaks its protocol
├── EndpointError         a model's server that is not there, refuses, or keeps failing
├── StoreError            a results folder of another run, or one that cannot be written
├── ResourceError         not enough memory, or a lost worker process or cluster
├── TrainingError         a training whose loss is not finite
├── InterruptedRunError   a run stopped by the user; exit code 130
└── SubmissionError       a bundle that does not pass validation
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence

INTERRUPTED = 130
"""Exit code of a run stopped by the user."""
CHECK_FAILED = 3
"""Exit code of a ``check`` without a verdict; its verdicts are 0 to 2."""


def failure_code(arguments: Sequence[str]) -> int:
    """The exit code of a failed command, from its arguments: 3 for ``check``, otherwise 1."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    return CHECK_FAILED if command == "check" else 1


class MafsBenchError(Exception):
    """Base class of all errors that a user can cause."""


class UsageError(MafsBenchError):
    """A value that is not allowed."""


class SuiteError(MafsBenchError):
    """A suite file that does not fit the schema; the message has file, key, value and what is allowed."""


class DataError(MafsBenchError):
    """An image, an annotation file or a folder that cannot be read."""


class WeightsError(MafsBenchError):
    """Weights that are missing or do not fit the model."""


class AdapterError(MafsBenchError):
    """An adapter that breaks its protocol: wrong shape, not finite, not of unit length."""


class EndpointError(MafsBenchError):
    """A model's server that is not there, refuses a request, or keeps failing."""


class StoreError(MafsBenchError):
    """A results folder of another run, or one that cannot be read or written."""


class ResourceError(MafsBenchError):
    """Not enough memory, or a lost worker process or cluster."""


class TrainingError(MafsBenchError):
    """A training whose loss is not finite: nothing is written."""

    @classmethod
    def check_loss(cls, loss: float, step: int, steps: int) -> None:
        """Raise if the loss of a step is NaN or infinite."""
        if not math.isfinite(loss):
            raise cls(
                f"the loss of step {step} of {steps} is {loss}: the training was stopped, nothing was written"
            )


class InterruptedRunError(MafsBenchError):
    """A run stopped by Ctrl-C or SIGTERM."""


class SubmissionError(MafsBenchError):
    """A bundle that does not pass validation."""


class UnknownNameError(MafsBenchError):
    """An unknown name; the message lists the registered ones, closest first."""

    def __init__(self, kind: str, asked: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        close = difflib.get_close_matches(asked, names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
        shown = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
        super().__init__(f"unknown {kind} {asked!r}.{hint} Allowed: {shown}")
        self.asked = asked
        self.close = tuple(close)


def one_line(error: OSError) -> str:
    """An error of the operating system in one line: the file and the reason."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason
