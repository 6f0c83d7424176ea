"""Registries of lazily imported objects: ``name -> "module:attribute"``.

Users add entries with an entry point in the registry's group, or give ``path/to/file.py:Attribute`` directly.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from mafs_bench.errors import AdapterError, MafsBenchError, UnknownNameError


@dataclass(frozen=True)
class Registry:
    """A table of lazily imported objects of one kind ("model", "operator" …)."""

    kind: str
    entries: Mapping[str, str]
    group: str | None = None

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted, including entry points."""
        return tuple(sorted({*self.entries, *self._entry_points()}))

    def get(self, name: str) -> Any:
        """Import and return the object called ``name``.

        Raises ``UnknownNameError`` with close matches, or ``AdapterError`` for a user's file.
        """
        if name in self.entries:
            return load_attribute(self.entries[name])
        if is_file_reference(name):
            return load_from_file(name)
        points = self._entry_points()
        if name in points:
            return load_attribute(points[name])
        raise UnknownNameError(self.kind, name, self.names())

    def summary(self, name: str) -> str:
        """The first line of the module's docstring, read without importing what may be heavy."""
        return self._docstring(name).partition("\n")[0]

    def examples(self, name: str) -> str:
        """What the module's docstring has after ``Specs:``, or the name itself."""
        lines = self._docstring(name).splitlines()
        return next((line.removeprefix("Specs: ") for line in lines if line.startswith("Specs: ")), name)

    def _docstring(self, name: str) -> str:
        reference = {**self.entries, **self._entry_points()}[name]
        spec = importlib.util.find_spec(reference.partition(":")[0])
        if spec is None or spec.origin is None:
            return ""
        return ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""

    def _entry_points(self) -> dict[str, str]:
        if self.group is None:
            return {}
        return {point.name: point.value for point in importlib.metadata.entry_points(group=self.group)}


def is_file_reference(name: str) -> bool:
    """Whether ``name`` has the form ``path/to/file.py:Attribute``."""
    return ".py:" in name


@lru_cache(maxsize=512)
def load_attribute(reference: str) -> Any:
    """Import ``package.module:attribute``."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_from_file(reference: str) -> Any:
    """Import ``path/to/file.py:Attribute``. Raises ``AdapterError`` with the fault."""
    file, _, attribute = reference.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise AdapterError(f"{file}: no such file (asked for {attribute!r} of it)")
    found = vars(_user_module(path.resolve(), file))
    if attribute not in found:
        public = [name for name in found if not name.startswith("_")]
        raise UnknownNameError(f"attribute of {file}", attribute, public)
    return found[attribute]


def _user_module(path: Path, shown: str) -> ModuleType:
    """The module of a user's file, executed once per process and content; its folder is on the import path."""
    content = hashlib.sha256(str(path).encode() + b"\0" + path.read_bytes())
    name = f"_mafs_bench_user_{path.stem}_{content.hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AdapterError(f"{shown}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _first_on_path(path.parent):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, MafsBenchError | KeyboardInterrupt):
            raise
        raise AdapterError(_import_failure(error, path, shown)) from error
    return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Search ``folder`` first for modules, and last afterwards, so that it does not hide installed packages.

    A module of the same name that another user's file imported from its own folder is kept under another name.
    """
    for name in [name for name in sys.modules if "." not in name and not name.startswith("_")]:
        source = _source(sys.modules[name])
        beside = (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()
        if (
            beside
            and source is not None
            and any(root in source.parents for root in _user_folders if root != folder)
        ):
            sys.modules[f"_mafs_bench_aside_{len(sys.modules)}_{name}"] = sys.modules.pop(name)
    _user_folders.add(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


_user_folders: set[Path] = set()


def _source(module: object) -> Path | None:
    """The file of an entry of ``sys.modules``; None if it has none or is no module, as None, which blocks an import."""
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    return Path(file).resolve() if isinstance(file, str) else None


def _import_failure(error: BaseException, path: Path, shown: str) -> str:
    """The error in a user's file, with its line."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError):
        return f"{error.filename or shown}, line {error.lineno}: {error.msg}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{shown} cannot be imported{f', line {lines[-1]}' if lines else ''}: {reason}"
