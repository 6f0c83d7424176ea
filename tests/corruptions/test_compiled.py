"""The cache of compiled loops where nothing usual can be written."""

from pathlib import Path

import numba
import pytest

from mafs_bench.corruptions import compiled


def test_a_temporary_folder_where_nothing_else_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiled, "usual_folders", lambda: (blocked / "a", blocked / "b"))
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path))
    compiled.prepare_cache()
    folder = Path(numba.config.CACHE_DIR)
    assert folder.is_dir()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    assert compiled.temporary_folder() == folder, "it serves the next run too"
    folder.chmod(0o777)
    assert compiled.temporary_folder() != folder, "others could have put code there"


def test_the_usual_folders_are_kept_where_one_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiled, "usual_folders", lambda: (tmp_path / "not yet",))
    compiled.prepare_cache()
    assert numba.config.CACHE_DIR == ""
