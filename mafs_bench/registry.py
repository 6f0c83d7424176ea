"""Names to objects, loaded when asked for: ``name -> "module:attribute"``.

Users add to a registry by an entry point of its group, or name ``path/to/file.py:Attribute`` directly.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mafs_bench.errors import AdapterError, MafsBenchError, UnknownNameError


@dataclass(frozen=True)
class Registry:
    """A table of lazily imported objects of one kind ("model", "operator" …)."""

    kind: str
    entries: Mapping[str, str]
    group: str | None = None

    def names(self) -> tuple[str, ...]:
        """Every registered name, sorted; entry points included."""
        return tuple(sorted({*self.entries, *self._entry_points()}))

    def get(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

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
        reference = {**self.entries, **self._entry_points()}[name]
        spec = importlib.util.find_spec(reference.partition(":")[0])
        if spec is None or spec.origin is None:
            return ""
        docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
        return docstring.partition("\n")[0]

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
    """Import ``path/to/file.py:Attribute``. Raises ``AdapterError`` naming what is wrong with it."""
    file, _, attribute = reference.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise AdapterError(f"{file}: no such file (asked for {attribute!r} of it)")
    module_name = f"_mafs_bench_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise AdapterError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except MafsBenchError:
        raise
    except SyntaxError as error:
        raise AdapterError(f"{file}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        raise AdapterError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise UnknownNameError(f"attribute of {file}", attribute, public)
    return getattr(module, attribute)
