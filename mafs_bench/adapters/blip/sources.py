"""Where BLIP's models come from: one for retrieval, one for captions, one for questions.

An argument is one of
    ""                              the bundled models, made for ``scenes``
    base                            the published base models on the hub, at pinned commits
    PATH                            a folder with sub-folders itm/, caption/, vqa/, or one model by itself
    hf-hub:ORG/NAME[@REVISION]      one model of the hub
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mafs_bench.adapters.hub import at_commit
from mafs_bench.errors import WeightsError

BUNDLED = Path(__file__).parents[2] / "weights" / "blip_scenes"
PARTS = {
    "BlipForImageTextRetrieval": "itm",
    "BlipForConditionalGeneration": "caption",
    "BlipForQuestionAnswering": "vqa",
}
"""Architecture, as ``config.json`` names it, to the part that it plays."""
PUBLISHED = {
    "itm": "Salesforce/blip-itm-base-coco@bed8ad38cb2d04a5a4bdf2d071b3c3c0a4aa724c",
    "caption": "Salesforce/blip-image-captioning-base@82a37760796d32b1411fe092ab5d4e227313294b",
    "vqa": "Salesforce/blip-vqa-base@787b3d35d57e49572baabd22884b3d5a05acf072",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One model: a local folder, or a repository of the hub at a commit.

    config: what its ``config.json`` holds. identity: a hash of the files, or the repository's commit.
    """

    location: str
    revision: str | None
    identity: str
    config: Mapping[str, Any]

    @property
    def part(self) -> str:
        """What it is for: ``itm``, ``caption`` or ``vqa``. Raises ``WeightsError`` for another architecture."""
        architecture = (self.config.get("architectures") or ["nothing"])[0]
        if architecture not in PARTS:
            raise WeightsError(f"{self.location} is of {architecture}; BLIP's are {', '.join(PARTS)}")
        return PARTS[architecture]

    @property
    def k_test(self) -> int:
        """Number of candidates to re-rank: from the config, otherwise the official 256 for COCO and 128 for others."""
        return int(self.config.get("k_test", 256 if "coco" in self.location else 128))

    def __str__(self) -> str:
        return self.location if self.revision is None else f"{self.location}@{self.revision}"


def resolve(argument: str) -> dict[str, Source]:
    """Find the models of an argument, by part. Raises ``WeightsError`` in one line where there is none."""
    if argument == "":
        return _folder(
            BUNDLED,
            "the bundled BLIP is not installed; make it with 'mafs-bench train blip', or take the published "
            "models with --model blip:base",
        )
    if argument == "base":
        return {part: _hub(name) for part, name in PUBLISHED.items()}
    if argument.startswith("hf-hub:"):
        source = _hub(argument.removeprefix("hf-hub:"))
        return {source.part: source}
    path = Path(argument).expanduser()
    return _folder(path, f"{path}: no BLIP model here, and none in {path}/itm, {path}/caption or {path}/vqa")


def digest(sources: Mapping[str, Source]) -> str:
    """SHA-256 over the identities of all models."""
    return hashlib.sha256(
        json.dumps({part: source.identity for part, source in sources.items()}, sort_keys=True).encode()
    ).hexdigest()


def _folder(path: Path, missing: str) -> dict[str, Source]:
    if (path / "config.json").is_file():
        source = _local(path)
        return {source.part: source}
    found = {part: _local(path / part) for part in PARTS.values() if (path / part / "config.json").is_file()}
    if not found:
        raise WeightsError(missing)
    return found


def _local(path: Path) -> Source:
    state = hashlib.sha256()
    for file in sorted(file for file in path.iterdir() if file.is_file()):
        with file.open("rb") as opened:
            state.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return Source(str(path), None, state.hexdigest(), _json(path / "config.json"))


def _hub(name: str) -> Source:
    """A repository at the commit to which its revision currently resolves; only its config is fetched."""
    repository, commit, config = at_commit(name, "config.json", "blip:PATH")
    return Source(repository, commit, f"{repository}@{commit}", _json(config))


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON: {error}") from error
