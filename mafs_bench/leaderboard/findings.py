"""Findings of a validation: one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. An error refuses the bundle; with a flag it is not ranked until a maintainer accepts it.

    A note is for information only.
    """

    level: Literal["error", "flag", "note"]
    where: str
    message: str

    def __str__(self) -> str:
        """One line, without control characters."""
        line = f"{self.level}: {self.where}: {self.message}"
        return "".join(c if c.isprintable() else "?" for c in line)[:400]


def error(where: str, message: str) -> Finding:
    """A defect that refuses the bundle."""
    return Finding("error", where, message)


def flag(where: str, message: str) -> Finding:
    """A suspicious pattern that a maintainer must accept before the entry is ranked."""
    return Finding("flag", where, message)


def note(where: str, message: str) -> Finding:
    """A remark for the reader."""
    return Finding("note", where, message)


def refused(findings: Iterable[Finding]) -> bool:
    """Whether any of them is an error."""
    return any(finding.level == "error" for finding in findings)


def flagged(findings: Iterable[Finding]) -> bool:
    """Whether any of them is a flag."""
    return any(finding.level == "flag" for finding in findings)


def schema_findings(where: str, problem: ValidationError) -> list[Finding]:
    """One finding per field that does not fit its schema."""
    return [
        error(where, f"{'.'.join(map(str, item['loc'])) or 'content'}: {item['msg']}")
        for item in problem.errors(include_url=False, include_input=False, include_context=False)
    ]


def some(names: Iterable[object], most: int = 3) -> str:
    """Join the first few of many names: ``a, b, c … (7)``."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (f" … ({len(listed)})" if len(listed) > most else "")


def compare_sets(where: str, what: str, found: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    """One finding each for missing, unknown and duplicate names."""
    counts, allowed = Counter(found), set(wanted)
    missing = [name for name in wanted if name not in counts]
    extra = [name for name in counts if name not in allowed]
    twice = [name for name, count in counts.items() if count > 1]
    lists = (
        (f"{what} missing", missing),
        (f"{what} not of the board", extra),
        (f"{what} there twice", twice),
    )
    return [error(where, f"{label}: {some(names)}") for label, names in lists if names]
