"""The identity of a user's adapter beside its answers: its class, its argument and the modules that it is made of."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from mafs_bench.adapters.base import Adapter

_PACKAGE = Path(__file__).parents[1].resolve()
_INSTALLED = {"site-packages", "dist-packages"}
"""Folders of an environment, which may be inside the folder of an adapter."""


def default_weights(cls: type, argument: str) -> str:
    """The identity of an adapter that declares no weights: SHA-256 over class, argument and modules.

    The modules are those of its own folder that its source imports, directly or not: read from the files, so that
    the hash does not depend on what a process has imported already.
    """
    own = _file_of(cls)
    modules = {} if own is None else _hashes(_imports(own), own.parent)
    table = {"class": cls.__qualname__, "argument": argument, "modules": modules}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def modules_of(adapter: Adapter) -> dict[str, str]:
    """SHA-256 of each module that is imported from the folder of a user's adapter, by path relative to that folder.

    Empty for adapters of this package and of installed ones. Beside what its source imports they are all modules of
    that folder that are imported now: call it once the model has answered, and again at the end for what came late.
    """
    own = _file_of(adapter.model_class)
    if own is None or _PACKAGE in own.parents or _INSTALLED & set(own.parts):
        return {}
    folder = own.parent
    imported = {file for file in _imported() if folder in file.parents and _is_own(file, folder)}
    return _hashes(_imports(own) | imported, folder)


def _file_of(cls: type) -> Path | None:
    """The file that defines a class; None for one that was typed in."""
    try:
        file = Path(inspect.getfile(cls)).resolve()
    except (TypeError, OSError):
        return None
    return file if file.is_file() else None


def _hashes(files: set[Path], folder: Path) -> dict[str, str]:
    """SHA-256 of files by path relative to ``folder``."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
    }


def _imported() -> set[Path]:
    """The files of all modules that are imported, but for the script that was started."""
    modules = [module for name, module in list(sys.modules.items()) if name != "__main__"]
    files = [getattr(module, "__file__", None) for module in modules]
    return {file for name in files if isinstance(name, str) and (file := Path(name).resolve()).is_file()}


def _is_own(file: Path, folder: Path) -> bool:
    return _PACKAGE not in file.parents and not _INSTALLED & set(file.relative_to(folder).parts)


def _imports(own: Path) -> set[Path]:
    """A file and every file of its folder that it imports, directly or through others, anywhere in the source."""
    folder, found, waiting = own.parent, {own}, [own]
    while waiting:
        file = waiting.pop()
        new = {path for path in _imported_by(file, folder) if _is_own(path, folder)} - found
        found |= new
        waiting += new
    return found


def _imported_by(file: Path, folder: Path) -> Iterator[Path]:
    """Files inside ``folder`` that the import statements of a file may mean."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # it is hashed; what it imports cannot be known
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(folder, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if node.level else folder
            module = node.module.split(".") if node.module else []
            if base == folder or folder in base.parents:
                yield from _files(base, module)
                for alias in node.names:
                    yield from _files(base, [*module, alias.name])


def _files(base: Path, dotted: list[str]) -> Iterator[Path]:
    """The files of a module and of the packages that contain it."""
    for n in range(1, len(dotted) + 1):
        place = base.joinpath(*dotted[:n])
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file
