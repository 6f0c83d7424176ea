"""The identity of a user's adapter beside its answers: its class, its argument and the files that it is made of."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from mafs_bench.adapters.base import Adapter

_PACKAGE = Path(__file__).parents[1].resolve()
_INSTALLED = {"site-packages", "dist-packages"}
"""Folders of an environment, which may lie inside an adapter's."""


def source_of(cls: type) -> Path | None:
    """The file of a user's class; None for a class of this package or of an installed one, or without a file."""
    module = sys.modules.get(cls.__module__)
    name = getattr(module, "__file__", None)
    if name is None:
        return None
    file = Path(name).resolve()
    return None if _INSTALLED & set(file.parts) or _PACKAGE in file.parents else file


def modules_of(adapter: Adapter) -> dict[str, str]:
    """SHA-256 of every module that is imported from the folder of a user's adapter, by path relative to it.

    Empty for adapters of this package and of installed ones. Modules are found among those that are imported now:
    call it after the model has answered, and once more at the end for what was imported late.
    """
    return modules_beside(adapter.model_class)


def modules_beside(cls: type) -> dict[str, str]:
    """As ``modules_of``, for a class."""
    own = source_of(cls)
    if own is None:
        return {}
    folder = own.parent
    files = {own} | {file for file in _imported() if folder in file.parents and _is_own(file, folder)}
    return {file.relative_to(folder).as_posix(): _digest(file) for file in sorted(files) if file.is_file()}


def default_weights(cls: type, argument: str) -> str:
    """The identity of an adapter that declares no weights: SHA-256 over class, argument and imported modules."""
    modules = modules_beside(cls) or {"": _digest(Path(inspect.getfile(cls)))}
    return _of_text({"class": cls.__qualname__, "argument": argument, "modules": modules})


def _of_text(table: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _imported() -> set[Path]:
    """The files of all modules that are imported, but for the script that was started."""
    files = [
        getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name != "__main__"
    ]
    return {Path(file).resolve() for file in files if isinstance(file, str)}


def _is_own(file: Path, folder: Path) -> bool:
    return _PACKAGE not in file.parents and not _INSTALLED & set(file.relative_to(folder).parts)
