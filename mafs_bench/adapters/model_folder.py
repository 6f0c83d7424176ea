"""Folders in transformers' layout: how ``hf:FOLDER`` and ``hf:ORG/NAME[@REVISION]`` are found, and their content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mafs_bench.adapters.hub import at_commit
from mafs_bench.errors import WeightsError

FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Files that are read. Code of a repository (``*.py``) is fetched only where the user allows it."""


@dataclass(frozen=True)
class ModelFolder:
    """A model's files. name: its spec. source: ``ORG/NAME@COMMIT``, "" for a folder of the user's."""

    name: str
    path: Path
    source: str

    @property
    def config(self) -> Mapping[str, Any]:
        """What ``config.json`` holds, ``model_type`` included. Raises ``WeightsError`` where there is none."""
        try:
            config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
            if isinstance(config["model_type"], str):
                return dict(config)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise WeightsError(f"{self.path}: no model of transformers (no model_type in config.json)")

    def fetch(self, *, code: bool = False) -> None:
        """Have all files of a repository in the local cache. Raises ``WeightsError``."""
        if not self.source:
            return
        from huggingface_hub import snapshot_download

        repository, _, commit = self.source.partition("@")
        try:
            snapshot_download(
                repository, revision=commit, allow_patterns=[*FILES, *(["*.py"] if code else [])]
            )
        except Exception as error:  # the hub, the network and the cache each have their own
            raise WeightsError(
                f"{self.source} is not whole in the local cache and cannot be fetched ({type(error).__name__}). "
                f"Fetch it where there is a network: hf download {repository} --revision {commit}"
            ) from error

    def require_safetensors(self) -> None:
        """Raise ``WeightsError`` where the weights have another format."""
        if not any(self.path.glob("*.safetensors")):
            raise WeightsError(
                f"{self.name}: no *.safetensors in {self.path}; other formats run code when they are read"
            )

    def digest(self, *, code: bool = False) -> str:
        """SHA-256 over the names and bytes of all files that are read; with ``code`` of Python files too."""
        patterns = [*FILES, *(["*.py"] if code else [])]
        files = sorted(file for pattern in patterns for file in self.path.glob(pattern))
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.name}\0{os.path.getsize(file)}\0".encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()


def find(argument: str) -> ModelFolder:
    """Find a folder, or a repository of the hub at a commit, branch or tag; its config is there, the rest is fetched.

    Raises ``WeightsError`` where none is named or it is not there.
    """
    if not argument:
        raise WeightsError(
            "no model of transformers is bundled; name one: hf:FOLDER or hf:ORG/NAME[@REVISION]"
        )
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return ModelFolder(f"hf:{argument}", folder, "")
    if argument.count("/") != 1 or argument.startswith((".", "/", "~")):
        raise WeightsError(f"hf:{argument}: no such folder")
    repository, commit, config = at_commit(argument, "config.json", "hf:FOLDER")
    return ModelFolder(f"hf:{argument}", config.parent, f"{repository}@{commit}")
