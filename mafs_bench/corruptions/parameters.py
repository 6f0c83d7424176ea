"""Parameters of a suite's corruptions, checked before anything is run.

Image operators declare ranges. Text operators are tried on a few sentences, to see which parameters they read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions.base import ImageOperator, TextOperator, no_assets
from mafs_bench.corruptions.engine import corrupt_text, require_levels
from mafs_bench.errors import SuiteError, UnknownNameError, UsageError
from mafs_bench.types import SEVERITIES, Corruption

_SENTENCES = (
    "Two big dogs are chasing a red ball to the left of 3 children.",
    "A man is holding an umbrella while a woman reads the newspaper.",
)


class _Watched(Mapping[str, Any]):
    """Parameters that remember which of them were read, and which were missing."""

    def __init__(self, params: Mapping[str, Any], read: set[str]) -> None:
        self._params, self._read = params, read

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)


def require_ranges(corruptions: Sequence[Corruption]) -> None:
    """Check parameters against the ranges that image operators declare, and against what text operators read.

    Text operators that need weights are not tried. Raises ``SuiteError`` naming the parameter, its nearest match and
    what is allowed, or ``UnknownNameError`` for an operator.
    """
    for corruption in corruptions:
        require_levels(corruption)
        operator = OPERATORS.get(corruption.operator)
        if isinstance(operator, TextOperator) and operator.assets is no_assets:
            _require_what_is_read(corruption)


def require_runnable(corruptions: Sequence[Corruption], engine: str = "native") -> None:
    """Check that the engine and the weights that corruptions need are there. Raises ``UsageError``."""
    if engine == "reference" and importlib.util.find_spec("imagecorruptions") is None:
        raise UsageError(
            "--engine reference needs the library imagecorruptions: pip install imagecorruptions"
        )
    for corruption in corruptions:
        operator = OPERATORS.get(corruption.operator)
        if isinstance(operator, ImageOperator | TextOperator):
            operator.assets(corruption.levels[0])


def _require_what_is_read(corruption: Corruption) -> None:
    """Try a text operator; refuse parameters that it misses, and those that it never reads."""
    where = f"{corruption.suite}: corruptions.{corruption.name}.levels"
    read: set[str] = set()
    watched = replace(corruption, levels=tuple(_Watched(params, read) for params in corruption.levels))
    given = corruption.levels[0].keys()
    for number, sentence in enumerate(_SENTENCES):
        try:
            corrupt_text(sentence, watched, SEVERITIES, seed=0, sample_id=str(number))
        except KeyError as error:
            missing = str(error.args[0])
            if missing in given or missing not in read:
                raise
            unread = given - read
            raise SuiteError(
                f"{where}.{missing} is missing{f'; it has {_names(unread)}' if unread else ''}"
            ) from error
    for key in sorted(given - read):
        raise SuiteError(f"{where}: {UnknownNameError('parameter', key, read)}")


def _names(keys: set[str]) -> str:
    return " and ".join(sorted(keys))
