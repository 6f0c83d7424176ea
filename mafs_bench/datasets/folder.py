"""A user's own data: a folder of images with an annotation file beside them, that file itself, or images alone.

Where a folder holds several annotation files, one kind goes before the next: Karpathy's ``dataset_*.json``
(it carries the splits), then COCO's ``captions_*.json``, then the token files and tables of Flickr8k and Flickr30k,
then ``*.jsonl``. Among several files of one kind the split's name decides (``captions_val2017.json`` is "val").
Naming the file settles it. A folder without any is images alone, which can be corrupted but not scored.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from mafs_bench.datasets.annotations import Entry, name_some, read_entries, refuse_unwritable
from mafs_bench.datasets.local import ANNOTATION_FOLDERS, image_root, locate, read_local, visible
from mafs_bench.datasets.vqav2 import most_common_answers
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset

_PRECEDENCE = (
    "dataset_*.json",
    "captions_*.json",
    "*.token",
    "Flickr8k.token.txt",
    "*.token.txt",
    "captions.txt",
    "results.csv",
    "captions.csv",
    "*.jsonl",
)
IMAGE_ENDINGS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".mpo",
    }
)
"""Of the files in a folder without annotations, those with such an ending are its images."""

_NEVER_PUBLISHED = "2258277193_586949ec62.jpg.1"
"""``Flickr8k.token.txt`` has captions of it, and Flickr8k no such image."""


def load_folder(folder: Path, split: str | None, limit: int | None = None) -> Dataset:
    """Load a folder or an annotation file as the data set of that name; images stay undecoded.

    ``split`` None means "test" where the annotations carry splits and the whole file where they carry none.
    An entry whose image or caption is missing has an ``UnusableImage``. Raises ``DataError`` for annotations that
    are ambiguous or malformed, and for a folder with neither annotations nor images.
    """
    annotations = folder if folder.is_file() else find_annotations(folder, split)
    if annotations is None:
        return _images_alone(folder, split, limit)
    root = image_root(annotations)
    entries, used = of_split(annotations, read_entries(annotations), split)
    entries, notes = _without_the_never_published(root, entries)
    described = annotations.suffix != ".jsonl" or any(entry.captions or entry.questions for entry in entries)
    samples, revision = read_local([annotations], root, entries, limit, described=described)
    vocabulary = most_common_answers(q.answers for entry in entries for q in entry.questions)
    name = root.resolve().name
    if vocabulary:
        notes += (
            f"{name}: the {len(vocabulary):,} answers to choose from are those of its own questions, which flatters "
            "a model that ranks them",
        )
    return Dataset(
        name=name,
        split=used,
        revision=revision,
        licence="unstated",
        citation="",
        samples=samples,
        answer_vocabulary=vocabulary,
        domain="photo",
        notes=notes,
    )


def _images_alone(folder: Path, split: str | None, limit: int | None) -> Dataset:
    """Every image in a folder and those below it, by name; ids are the names in composed form (NFC)."""
    names = list_images(folder)
    if not names:
        raise DataError(f"{folder} holds no annotation file ({', '.join(_PRECEDENCE)}) and no images")
    if split not in (None, "all"):
        raise DataError(f"{folder} carries no splits: all of it is 'all', asked for {split!r}")
    refuse_unwritable(folder, names)
    entries = [Entry(unicodedata.normalize("NFC", name), name, ()) for name in names]
    samples, revision = read_local([], folder, entries, limit, described=False)
    return Dataset(
        name=folder.resolve().name,
        split="all",
        revision=revision,
        licence="unstated",
        citation="",
        samples=samples,
        domain="photo",
        notes=(f"{folder}: no annotation file ({', '.join(_PRECEDENCE)}), images alone",),
    )


def list_images(folder: Path) -> list[str]:
    """Names of the images below a folder, sorted, without what is hidden and macOS's ``__MACOSX``."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        below = Path(parent).relative_to(folder)
        found += [
            (below / name).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_ENDINGS
        ]
    return sorted(found)


def _without_the_never_published(root: Path, entries: list[Entry]) -> tuple[list[Entry], tuple[str, ...]]:
    if all(entry.file != _NEVER_PUBLISHED for entry in entries) or locate(root, [_NEVER_PUBLISHED])[0]:
        return entries, ()
    note = f"{root.resolve().name}: {_NEVER_PUBLISHED}, an entry of Flickr8k without an image, is left out"
    return [entry for entry in entries if entry.file != _NEVER_PUBLISHED], (note,)


def find_annotations(folder: Path, split: str | None) -> Path | None:
    """Find the annotation file of a folder by precedence, None where it has none.

    Raises ``DataError`` where several are there and none stands out.
    """
    for pattern in _PRECEDENCE:
        found = [path for sub in ("", *ANNOTATION_FOLDERS) for path in visible(folder / sub, pattern)]
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
    return None


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
