"""A user's own data: a folder of images with an annotation file beside them, or that file itself.

Where a folder holds several annotation files, one kind goes before the next: Karpathy's ``dataset_*.json``
(it carries the splits), then COCO's ``captions_*.json``, then ``*.token``, then ``*.jsonl``. Among several
files of one kind the split's name decides (``captions_val2017.json`` is "val"). Naming the file settles it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mafs_bench.datasets.annotations import Entry, name_some, read_entries
from mafs_bench.datasets.content import content_revision
from mafs_bench.datasets.local import image_root, locate_all, make_samples
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset

ANNOTATION_FOLDERS = ("", "annotations")
_PRECEDENCE = ("dataset_*.json", "captions_*.json", "*.token", "*.jsonl")


def load_folder(folder: Path, split: str | None, limit: int | None = None) -> Dataset:
    """Load a folder or an annotation file as the data set of that name; images stay undecoded.

    ``split`` None means "test" where the annotations carry splits and the whole file where they carry none.
    Raises ``DataError`` for annotations that are missing, ambiguous or malformed, and for missing images.
    """
    annotations = folder if folder.is_file() else choose_annotations(folder, split)
    root = image_root(annotations)
    entries, used = of_split(annotations, read_entries(annotations), split)
    paths = locate_all(annotations, root, [entry.file for entry in entries])
    return Dataset(
        name=root.resolve().name,
        split=used,
        revision=content_revision([annotations], paths),
        licence="unstated",
        citation="",
        samples=make_samples(entries, paths)[:limit],
        domain="photo",
    )


def choose_annotations(folder: Path, split: str | None) -> Path:
    """Find the annotation file of a folder by precedence. Raises ``DataError`` where none stands out."""
    for pattern in _PRECEDENCE:
        found = [path for sub in ANNOTATION_FOLDERS for path in sorted((folder / sub).glob(pattern))]
        if len(found) == 1:
            return found[0]
        if found:
            wanted = split or "test"
            matching = [path for path in found if wanted in _words(path)]
            if len(matching) == 1:
                return matching[0]
            names = name_some([path.name for path in found], 5)
            raise DataError(
                f"{folder} holds {names}: which one is split {wanted!r}? Name the file or a split"
            )
    raise DataError(f"{folder} holds no annotation file ({', '.join(_PRECEDENCE)})")


def of_split(annotations: Path, entries: Sequence[Entry], split: str | None) -> tuple[list[Entry], str]:
    """Pick the entries of a split, with the name of the split that they are."""
    if not any(entry.split for entry in entries):
        said = _words(annotations) & {"train", "val", "test"}
        name = said.pop() if len(said) == 1 else "all"
        if split not in (None, name):
            raise DataError(f"{annotations} carries no splits: all of it is {name!r}, asked for {split!r}")
        return list(entries), name
    wanted = split or "test"
    chosen = [entry for entry in entries if entry.split == wanted]
    if not chosen:
        there = sorted({entry.split for entry in entries})
        raise DataError(f"{annotations} has no split {wanted!r}, it has: {', '.join(there)}")
    return chosen, wanted


def _words(path: Path) -> set[str]:
    return set(re.findall(r"[a-z]+", path.stem.lower()))
