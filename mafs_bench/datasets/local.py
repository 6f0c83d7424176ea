"""Data that lie in a folder: finding the images that annotations name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mafs_bench.datasets.annotations import Entry, name_some
from mafs_bench.datasets.images import FileImage
from mafs_bench.errors import DataError
from mafs_bench.types import Sample

IMAGE_FOLDERS = (
    "",
    "images",
    "val2014",
    "train2014",
    "val2017",
    "train2017",
    "flickr30k-images",
    "flickr30k_images",
    "Flicker8k_Dataset",
)
_COCO_2014_NAME = re.compile(r"COCO_(?:train|val|test)2014_(\d{12}\.jpg)")


def image_root(annotations: Path) -> Path:
    """The folder that image names are relative to: the one around ``annotations/``, or the file's own."""
    return annotations.parent.parent if annotations.parent.name == "annotations" else annotations.parent


def locate_all(annotations: Path, root: Path, names: Sequence[str]) -> list[Path]:
    """Find every image below ``root``. Raises ``DataError`` with number and first names of those missing."""
    paths = locate(root, names)
    missing = [name for name, path in zip(names, paths, strict=True) if path is None]
    if missing:
        raise DataError(
            f"{annotations} names {len(missing)} of {len(names)} images that are not below {root}: "
            f"{name_some(missing)}"
        )
    return [path for path in paths if path is not None]


def locate(root: Path, names: Sequence[str]) -> list[Path | None]:
    """Look for images in ``root`` and its usual sub-folders; None where there is none."""
    folders = [root / sub for sub in IMAGE_FOLDERS if (root / sub).is_dir()]
    return [_locate(folders, name) for name in names]


def make_samples(entries: Sequence[Entry], paths: Sequence[Path]) -> tuple[Sample, ...]:
    """Turn entries and their files into samples; each image is a cluster of its own."""
    return tuple(
        Sample(entry.id, entry.id, FileImage(str(path)), entry.captions)
        for entry, path in zip(entries, paths, strict=True)
    )


def _locate(folders: Sequence[Path], name: str) -> Path | None:
    """Try the name as given, then its last part, then COCO's 2017 form of a 2014 name."""
    bare = Path(name).name
    forms = dict.fromkeys([name, bare, _COCO_2014_NAME.sub(r"\1", bare)])
    candidates = (folder / form for form in forms for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def first_file(root: Path, patterns: Sequence[str]) -> Path:
    """The first file below ``root`` that fits one of the patterns, tried in order. Raises ``DataError``."""
    if not root.is_dir():
        raise DataError(f"--data-root {root}: no such folder")
    found = (path for pattern in patterns for path in sorted(root.glob(pattern)))
    path = next(found, None)
    if path is None:
        raise DataError(f"{root} holds none of: {', '.join(patterns)}")
    return path
