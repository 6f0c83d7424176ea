"""What a run leaves behind."""

from __future__ import annotations

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Everything by its relative name, but for the picture and the lock."""
    files = [file for file in folder.rglob("*") if file.suffix in {".parquet", ".json"}]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
