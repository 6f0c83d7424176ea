"""How docstrings become Markdown."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("griffe", reason="the extra docs is not installed")


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "docs" / "scripts"))
    return importlib.import_module("docstrings")


def test_parameters_become_a_list(docstrings: ModuleType) -> None:
    text = "Add.\n\na: the first, e.g. note: 1. b, c: the\nothers. Returns the sum. Raises ``UsageError``."
    assert docstrings.listed(text, {"a", "b", "c"}) == (
        "Add.\n\n- `a`: the first, e.g. note: 1.\n- `b`, `c`: the others.\n\nReturns the sum. Raises ``UsageError``."
    )


def test_what_is_no_parameter_stays(docstrings: ModuleType) -> None:
    text = "MMI: (clean − mean) / clean.\n\nSource: Qiu et al."
    assert docstrings.listed(text, {"clean"}) == text


def test_doctests_become_code(docstrings: ModuleType) -> None:
    assert (
        docstrings.fence("Add.\n\n>>> 1 + 1\n2\n\nMore.") == "Add.\n\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."
    )
