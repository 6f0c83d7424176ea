"""Object boxes for COCO photos, from the official instance annotations (``instances_val2014.json`` …).

The boxes cover instances of 80 categories, whether a caption mentions them or not. Crowds (one box around many
objects) are left out. The largest file has 450 MB, so it is read only if a corruption needs boxes.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mafs_bench.datasets.annotations import field as value_of
from mafs_bench.datasets.annotations import read_json
from mafs_bench.datasets.images import image_size
from mafs_bench.datasets.local import first_file
from mafs_bench.errors import DataError
from mafs_bench.types import Box, Dataset, Sample

NOTE = "boxes cover instances of COCO's 80 categories, whether a caption mentions them or not"

_SPLIT = re.compile(r"(?:train|val)(?:2014|2017)")
_FARTHEST = 1e6
"""Numbers above this (in pixels) are not accepted as coordinates."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as the annotations describe it: width and height in pixels, and its boxes."""

    width: int
    height: int
    boxes: list[Box] = field(default_factory=list)


def official_split(file: str) -> str:
    """The split in which a photo was published (``val2014``), from its name or folder; "" if neither contains it."""
    found = _SPLIT.search(file)
    return found[0] if found else ""


def add_boxes(root: Path, splits: Sequence[str], dataset: Dataset) -> Dataset:
    """Add boxes to the samples, and the hash of the instance files to the revision.

    ``splits`` are the splits in which the photos were published; sample ids are COCO image ids. Raises ``DataError``
    for a missing or malformed file, and for photos that are not listed or were resized.
    """
    if "" in splits:
        raise DataError(f"{dataset.name}: the names of its photos do not contain their split (val2014 …)")
    files = [
        first_file(root, [f"annotations/instances_{split}.json", f"instances_{split}.json"])
        for split in splits
    ]
    photos = {number: photo for file in files for number, photo in read_instances(file).items()}
    listed = ", ".join(map(str, files))
    _refuse_other_photos(listed, dataset.samples, photos)
    digest = hashlib.sha256(dataset.revision.encode())
    for file in files:
        digest.update(file.read_bytes())
    return replace(
        dataset,
        revision=digest.hexdigest(),
        samples=tuple(replace(s, boxes=tuple(photos[int(s.id)].boxes)) for s in dataset.samples),
        notes=(*dataset.notes, f"{dataset.name}: {NOTE}"),
        read_boxes=None,
    )


def read_instances(path: Path) -> dict[int, Photo]:
    """The photos in an instances file by image id. Raises ``DataError`` with the position of a fault."""
    content = read_json(path, without="segmentation")
    photos: dict[int, Photo] = {}
    for position, image in enumerate(value_of(path, content, "images", list, "top level")):
        number, *sides = (
            value_of(path, image, k, int, f"image {position}") for k in ("id", "width", "height")
        )
        photos[number] = Photo(*sides)
    for position, annotation in enumerate(value_of(path, content, "annotations", list, "top level")):
        where = f"annotation {position}"
        photo = photos.get(value_of(path, annotation, "image_id", int, where))
        if photo is None:
            raise DataError(f"{path}, {where}: image {annotation['image_id']} is not listed")
        box = _whole_pixels(path, where, value_of(path, annotation, "bbox", list, where), photo)
        if box is not None and not annotation.get("iscrowd"):
            photo.boxes.append(box)
    return photos


def _whole_pixels(path: Path, where: str, bbox: list[Any], photo: Photo) -> Box | None:
    """The pixels of a photo touched by the box [x, y, width, height]; None if there are none."""
    if len(bbox) != 4 or not all(isinstance(n, int | float) and abs(n) < _FARTHEST for n in bbox):
        raise DataError(
            f"{path}, {where}: 'bbox' is {str(bbox)[:60]}, must be [x, y, width, height] in pixels"
        )
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        return None
    x0, x1 = max(0, math.floor(x)), min(photo.width, math.ceil(x + width))
    y0, y1 = max(0, math.floor(y)), min(photo.height, math.ceil(y + height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _refuse_other_photos(listed: str, samples: Sequence[Sample], photos: dict[int, Photo]) -> None:
    """Refuse photos that are not listed, and resized copies, which the boxes would not fit.

    Unreadable photos are left to the run, which reports or skips them.
    """
    unknown = [s.id for s in samples if not s.id.isdecimal() or int(s.id) not in photos]
    if unknown:
        raise DataError(
            f"{listed}: {len(unknown)} of {len(samples)} photos are not listed, such as {unknown[0]}"
        )
    resized = []
    for sample in samples:
        photo, size = photos[int(sample.id)], image_size(sample.image.name)
        if size not in (None, (photo.width, photo.height)):
            resized.append((sample.image.name, size, photo))
    if resized:
        name, size, photo = resized[0]
        raise DataError(
            f"{listed}: {len(resized)} of {len(samples)} photos are not of their original size: {name} is "
            f"{size[0]}x{size[1]}, not {photo.width}x{photo.height}"
        )
