"""What several files of unit tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bundle_draft import good_bundle, pinned_board


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a bundle without a defect."""
    return good_bundle(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def boards(good: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board that is pinned to the good bundle's samples, without submissions."""
    return pinned_board(tmp_path_factory.mktemp("boards"), good)
