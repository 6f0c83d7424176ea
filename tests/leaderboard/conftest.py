"""What several files of unit tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bundle_draft import empty_board, good_bundle


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a bundle without a defect."""
    return good_bundle(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with an open board, without submissions."""
    return empty_board(tmp_path_factory.mktemp("boards"))
