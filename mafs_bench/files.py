"""The user's folder, and atomic writing of files."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def home() -> Path:
    """The user's folder for what is trained and cached: ``$MAFS_BENCH_HOME``, by default ``~/.mafs-bench``."""
    return Path(os.environ.get("MAFS_BENCH_HOME", Path.home() / ".mafs-bench"))


_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]+$')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def legal_name(name: str) -> str:
    """A name for a file or folder that every system takes, Windows too: ``name`` itself where it is one.

    Else what is not allowed becomes ``_``, and a part of the name's hash keeps two names apart.
    """
    plain = _ILLEGAL.sub("_", name)
    if plain == name and name and not _DEVICES.fullmatch(name):
        return name
    return f"{plain.replace('.', '_')}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path of its own to write to, which takes the place of ``path`` when the block ends without error.

    The temporary file is in the folder of ``path``, is used by no other call or process, and is removed after an
    error. Raises ``OSError``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all. Raises ``OSError``."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_folder(folder: Path) -> None:
    """Check that a folder can be written, or created where it is not there. Raises ``OSError``."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with tempfile.TemporaryFile(dir=existing):
        pass
