"""A user's own data: a folder of images with an annotation file, the annotation file itself, or images only.

If a folder contains several annotation files, the order of precedence is: Karpathy's ``dataset_*.json`` (which has
the splits), COCO's ``captions_*.json``, the token files and tables of Flickr8k and Flickr30k, ``*.jsonl``. Among
several files of one kind the name of the split decides (``captions_val2017.json`` is "val"). The user can always
give the file itself. Images without annotations can be corrupted but not scored.
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
from mafs_bench.language import language_of
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
"""File extensions of images, for a folder without annotations."""

_NEVER_PUBLISHED = "2258277193_586949ec62.jpg.1"
"""``Flickr8k.token.txt`` has captions for this image, which Flickr8k does not contain."""


def load_folder(folder: Path, split: str | None, limit: int | None = None) -> Dataset:
    """Load a folder or an annotation file as a data set with that name; images are decoded on demand.

    ``split`` None means "test" if the annotations have splits, otherwise the whole file. An entry whose image or
    caption is missing gets an ``UnusableImage``. Raises ``DataError`` for ambiguous or malformed annotations, and
    for a folder with neither annotations nor images.
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
            f"{name}: the {len(vocabulary):,} candidate answers are those of its own questions, which favours "
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
        language=language_of(text for entry in entries for text in _texts_of(entry)),
    )


def _texts_of(entry: Entry) -> list[str]:
    return [*entry.captions, *(question.text for question in entry.questions)]


def _images_alone(folder: Path, split: str | None, limit: int | None) -> Dataset:
    """All images in a folder and its sub-folders, sorted by name; ids are the names in composed form (NFC)."""
    names = list_images(folder)
    if not names:
        raise DataError(f"{folder} contains no annotation file ({', '.join(_PRECEDENCE)}) and no images")
    if split not in (None, "all"):
        raise DataError(f"{folder} has no splits: asked for {split!r}, allowed: 'all'")
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
        notes=(f"{folder}: no annotation file ({', '.join(_PRECEDENCE)}), images only",),
    )


def list_images(folder: Path) -> list[str]:
    """Names of the images below a folder, sorted, without hidden files and macOS's ``__MACOSX``."""
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
    """Find the annotation file of a folder by precedence; None if there is none.

    Raises ``DataError`` if several files qualify.
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
                f"{folder} contains {names}: which one is split {wanted!r}? Give the file or a split"
            )
    return None


def of_split(annotations: Path, entries: Sequence[Entry], split: str | None) -> tuple[list[Entry], str]:
    """Select the entries of a split; also returns the name of the split."""
    if not any(entry.split for entry in entries):
        said = _words(annotations) & {"train", "val", "test"}
        name = said.pop() if len(said) == 1 else "all"
        if split not in (None, name):
            raise DataError(f"{annotations} has no splits: asked for {split!r}, allowed: {name!r}")
        return list(entries), name
    wanted = split or "test"
    chosen = [entry for entry in entries if entry.split == wanted]
    if not chosen:
        there = sorted({entry.split for entry in entries})
        raise DataError(f"{annotations} has no split {wanted!r}; allowed: {', '.join(there)}")
    return chosen, wanted


def _words(path: Path) -> set[str]:
    return set(re.findall(r"[a-z]+", path.stem.lower()))
