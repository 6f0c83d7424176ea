"""Find the images that annotations refer to in a local folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mafs_bench.datasets.annotations import Entry, name_some
from mafs_bench.datasets.content import content_revision
from mafs_bench.datasets.images import FileImage
from mafs_bench.errors import DataError
from mafs_bench.types import Dataset, Image, ImageSource, Sample

IMAGE_FOLDERS = (
    "",
    "images",
    "Images",
    "val2014",
    "train2014",
    "val2017",
    "train2017",
    "flickr30k-images",
    "flickr30k_images",
    "Flicker8k_Dataset",
    "Flickr8k_Dataset",
)
ANNOTATION_FOLDERS = ("annotations", "Flickr8k_text")
"""Names of annotation folders in the official layouts; the images are in their parent folder."""
_COCO_NAME = re.compile(r"(?:COCO_(?:train|val|test)201[45]_)?(?P<number>\d{12}\.jpg)")
_COCO_FOLDERS = {
    "images",
    *(f"{split}{year}" for split in ("train", "val", "test") for year in (2014, 2015, 2017)),
}


@dataclass(frozen=True, slots=True)
class UnusableImage:
    """Stands for an image that is missing or lacks texts (an ``ImageSource``); loading it raises ``DataError``.

    ``fault`` follows the name ("missing below DIR"); ``hint`` names a similar file, if there is one.
    """

    name: str
    fault: str
    listed_in: str
    hint: str = ""

    def load(self) -> Image:
        """Raises ``DataError``."""
        raise DataError(f"{self.name}: {self.fault}{self.hint}")


def image_root(annotations: Path) -> Path:
    """The folder that image names are relative to: the parent of ``ANNOTATION_FOLDERS``, or the file's own folder."""
    own = annotations.absolute().parent
    return own.parent if own.name in ANNOTATION_FOLDERS else annotations.parent


def locate(root: Path, names: Sequence[str]) -> list[Path | None]:
    """Look for images in ``root`` and its usual sub-folders; None for an image that is not found.

    Names must match exactly, folders included; only photos in COCO's official layouts are found by the unique number
    in their names.
    """
    folders = [root / sub for sub in IMAGE_FOLDERS if (root / sub).is_dir()]
    return [next((path for path in _candidates(folders, name) if path.is_file()), None) for name in names]


def read_local(
    files: Sequence[Path], root: Path, entries: Sequence[Entry], limit: int | None, *, described: bool = True
) -> tuple[tuple[Sample, ...], str]:
    """The first ``limit`` entries as samples, each image its own cluster, and the revision of all entries.

    files: the annotation files. described: whether every image must have a caption or a question. An entry without
    its image or with an empty text gets an ``UnusableImage``. If images are missing, the revision covers the first
    ``limit`` entries only, so that a part of a data set can be used. Raises ``DataError`` if two entries share one
    file.
    """
    paths = locate(root, [entry.file for entry in entries])
    kept = entries[:limit]
    there = paths[: len(kept)] if None in paths else paths
    revision = content_revision(files, [path for path in there if path is not None])
    listed_in = str(files[0] if files else root)
    _refuse_shared_files(listed_in, kept, paths)
    samples, hinted = [], False
    for entry, path in zip(kept, paths, strict=False):
        image: ImageSource
        if path is None:
            hint = "" if hinted else _hint(root, entry.file)
            image, hinted = UnusableImage(entry.file, f"missing below {root}", listed_in, hint), True
        elif described and (fault := textual_fault(entry)):
            image = UnusableImage(entry.file, fault, listed_in)
        else:
            image = FileImage(str(path))
        samples.append(
            Sample(entry.id, entry.id, image, entry.captions, entry.questions, choices=entry.choices)
        )
    return tuple(samples), revision


def require_usable(dataset: Dataset) -> None:
    """Raise ``DataError`` if images are missing or lack texts, with their number and the first names."""
    unusable = [s.image for s in dataset.samples if isinstance(s.image, UnusableImage)]
    if not unusable:
        return
    first = unusable[0]
    names = [image.name for image in unusable if image.fault == first.fault]
    raise DataError(
        f"{first.listed_in}: {len(names):,} of {len(dataset.samples):,} images {first.fault}: {name_some(names)}"
        f"{first.hint} (--on-error skip leaves such images out of a run)"
    )


def first_file(root: Path, patterns: Sequence[str]) -> Path:
    """The first file below ``root`` that matches one of the patterns, tried in order. Raises ``DataError``."""
    if not root.is_dir():
        raise DataError(f"--data-root {root}: no such folder")
    path = next((path for pattern in patterns for path in visible(root, pattern)), None)
    if path is None:
        raise DataError(f"{root} contains none of: {', '.join(patterns)}")
    return path


def visible(root: Path, pattern: str) -> list[Path]:
    """Files that match a pattern, sorted, without hidden files such as macOS's ``._name``."""
    return [path for path in sorted(root.glob(pattern)) if not path.name.startswith(".")]


def _candidates(folders: Sequence[Path], name: str) -> Iterator[Path]:
    """Possible paths of an image: by its name in both Unicode forms, then by COCO's number."""
    if "://" in name:
        return
    forms = dict.fromkeys([name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)])
    yield from (folder / form for form in forms for folder in folders)
    path = PurePosixPath(name)
    official = _COCO_NAME.fullmatch(path.name)
    if official and _COCO_FOLDERS.issuperset(path.parts[:-1]):
        yield from (folder / form for form in (path.name, official["number"]) for folder in folders)


def textual_fault(entry: Entry) -> str:
    """Which text an entry lacks; "" if it lacks none."""
    if not (entry.captions or entry.questions or entry.choices):
        return "without a caption"
    return "" if all(entry.captions) else "with an empty caption"


def _refuse_shared_files(listed_in: str, entries: Sequence[Entry], paths: Sequence[Path | None]) -> None:
    """Refuse two entries for one file: they would be two clusters, and wrong answers to each other's queries."""
    seen: dict[str, Entry] = {}
    for entry, path in zip(entries, paths, strict=False):
        if path is None:
            continue
        other = seen.setdefault(os.path.realpath(path), entry)
        if other is not entry:
            raise DataError(
                f"{listed_in}: {other.file} (id {other.id}) and {entry.file} (id {entry.id}) are one file, {path}; "
                "give all captions of an image in one entry"
            )


def _hint(root: Path, name: str) -> str:
    """A suggestion for a name that is not found; "" if nothing is similar."""
    if "://" in name:
        return "; it is a URL: download it and give its path"
    with_slashes = name.replace("\\", "/")
    if with_slashes != name and locate(root, [with_slashes])[0] is not None:
        return f"; folders are separated by '/': found {with_slashes}"
    path = PurePosixPath(with_slashes)
    endings = (path.suffix.upper(), path.suffix.lower(), ".jpg", ".jpeg", ".JPG", ".png")
    others = [str(path.with_suffix(e)) for e in endings if e != path.suffix and path.name.strip(".")]
    near = [other for other, found in zip(others, locate(root, others), strict=True) if found is not None]
    if near:
        return f"; found {near[0]}"
    elsewhere = locate(root, [path.name])[0] if path.name != name else None
    return "" if elsewhere is None else f"; found the same name at {elsewhere}"
