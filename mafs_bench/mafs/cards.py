"""Content of every card: the training data, and the command that reproduces the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from mafs_bench.errors import WeightsError
from mafs_bench.files import check_folder
from mafs_bench.types import Dataset


def describe_data(dataset: Dataset) -> dict[str, str | int]:
    """Name, split, revision, sizes and licence, as ``data`` in a card."""
    return {
        "name": dataset.name,
        "split": dataset.split,
        "revision": dataset.revision,
        "images": len(dataset.samples),
        "captions": sum(len(s.captions) for s in dataset.samples),
        "licence": dataset.licence,
    }


def command_line(command: str, options: Mapping[str, object]) -> str:
    """``mafs-bench COMMAND --option value …``, quoted for a shell; options that are None are left out."""
    given = [f"--{name} {quote(str(value))}" for name, value in options.items() if value is not None]
    return " ".join([f"mafs-bench {command}", *given])


def check_output(folder: Path) -> None:
    """Check, before any work, that files can be written to a folder. Raises ``WeightsError``."""
    try:
        check_folder(folder)
    except OSError as error:
        raise WeightsError(f"cannot write {folder}: {error.strerror}") from error
