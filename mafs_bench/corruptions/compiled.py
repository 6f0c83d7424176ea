"""Where compiled loops are cached: beside the code, in the user's cache, or in a temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numba


def prepare_cache() -> None:
    """Give numba a folder that can be written, where neither the installation nor the home can be.

    Does nothing where ``NUMBA_CACHE_DIR`` is set. Call it before a function is decorated with ``cache=True``.
    """
    if not numba.config.CACHE_DIR and not any(map(_writable, usual_folders())):
        numba.config.CACHE_DIR = str(temporary_folder())


def usual_folders() -> Sequence[Path]:
    """Where numba would look: ``__pycache__`` beside the code, then the user's cache."""
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(__file__).parent / "image" / "__pycache__", Path(user) / "numba")


def temporary_folder() -> Path:
    """A folder that only this user owns, kept between runs; checked because cached code is executed."""
    if not hasattr(os, "getuid"):
        return Path(tempfile.mkdtemp(prefix="mafs-bench-numba-"))
    folder = Path(tempfile.gettempdir()) / f"mafs-bench-numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    private = folder.is_dir() and not folder.is_symlink() and status.st_mode & 0o077 == 0
    return folder if private and status.st_uid == os.getuid() else Path(tempfile.mkdtemp())


def _writable(folder: Path) -> bool:
    """Whether files can be created in a folder, or in the nearest folder above that is there."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if existing is None or not existing.is_dir():
        return False
    try:
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False
