"""The examples in the docstrings of the public interface run, and give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import mafs_bench as mb

MODULES = sorted(
    {"mafs_bench", "mafs_bench.api"}
    | {getattr(mb, name).__module__ for name in mb.__all__ if name not in ("errors", "__version__")}
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_hold(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_there_are_examples() -> None:
    """Each function of the public interface that takes no run or file has one."""
    shown = [
        name for name in ("run", "corrupt_image", "corrupt_text", "load_suite")
        if ">>>" not in (getattr(mb, name).__doc__ or "")
    ]  # fmt: skip
    assert not shown
