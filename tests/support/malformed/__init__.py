"""Ways to spoil a bundle, each with what the finding must say."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.bundle_draft import Draft

Spoil = Callable[[Draft], None]
MALFORMED: dict[str, tuple[Spoil, str]] = {}


def malformed(expected: str) -> Callable[[Spoil], Spoil]:
    """Register a way to spoil a bundle."""

    def register(spoil: Spoil) -> Spoil:
        MALFORMED[spoil.__name__] = (spoil, expected)
        return spoil

    return register
