"""What a multiple-choice question must be, whichever file it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from mafs_bench.errors import DataError
from mafs_bench.prompts import LETTERS
from mafs_bench.types import Choice


def make_choice(
    where: str, name: str, text: str, options: Sequence[str], answer: str, category: str = "", hint: str = ""
) -> Choice:
    """Check a question; ``answer`` is the letter of the right option, or its text. Raises ``DataError``."""
    options = [option.strip() for option in options]
    if not 2 <= len(options) <= len(LETTERS):
        raise DataError(f"{where}: {len(options)} options; allowed: 2 to {len(LETTERS)}")
    if "" in options or len({option.casefold() for option in options}) < len(options):
        raise DataError(f"{where}: the options {options!r} are not all different and not empty")
    letters = LETTERS[: len(options)]
    answer = answer.strip()
    if answer not in options and (len(answer) != 1 or answer not in letters):
        raise DataError(
            f"{where}: answer = {answer!r}; allowed: one of {', '.join(letters)}, or an option's text"
        )
    right = letters.index(answer) if len(answer) == 1 and answer in letters else options.index(answer)
    if not text.strip():
        raise DataError(f"{where}: the question is empty")
    return Choice(name, text.strip(), tuple(options), right, category.strip(), hint.strip())
