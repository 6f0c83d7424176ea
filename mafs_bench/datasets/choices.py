"""Multiple-choice questions: tables in VLMEvalKit's layout (``FILE.tsv``), and what a question must be.

Columns of a table: ``index``, ``image`` (base64, or the index of the row whose image it is) or ``image_path``,
``question``, ``A``, ``B`` …, ``answer`` (a letter), and where there are any ``category``, ``hint``, ``split``. Source:
VLMEvalKit (Duan et al., ACM MM 2024); MMBench (Liu et al., ECCV 2024).
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mafs_bench.datasets.annotations import name_some, read_text
from mafs_bench.datasets.choice_rules import make_choice
from mafs_bench.datasets.content import content_revision
from mafs_bench.datasets.images import FileImage, decode
from mafs_bench.errors import DataError
from mafs_bench.prompts import LETTERS
from mafs_bench.types import MAX_PIXELS, Choice, Dataset, Image, ImageSource, Sample

_NEEDED = ("index", "question", "answer", "A", "B")
_LONGEST_REFERENCE = 64
"""An ``image`` of at most that many characters is the index of another row."""
_NO_VALUE = {"", "nan"}
"""What tables that pandas wrote hold where there is nothing."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image file in memory (an ``ImageSource``)."""

    name: str
    data: bytes = field(repr=False)
    max_pixels: int = MAX_PIXELS

    def load(self) -> Image:
        """Decode it. Raises ``DataError``."""
        return decode(io.BytesIO(self.data), self.name, self.max_pixels)


def load_table(path: Path, split: str | None, limit: int | None = None) -> Dataset:
    """Read a table; questions on one image are one sample. ``limit``: the first images.

    Raises ``DataError`` with the row and the fault.
    """
    rows, used = _of_split(path, _rows(path), split)
    images = {row["index"]: row.get("image", "") for row in rows}
    grouped: dict[str, list[tuple[Mapping[str, str], Choice]]] = {}
    for row in rows:
        where = f"{path}, index {row['index']}"
        grouped.setdefault(_image_key(row, images, where), []).append((row, _choice(row, where)))
    samples = tuple(
        Sample(
            id=asked[0][0]["index"],
            group=asked[0][0]["index"],
            image=_image(path, asked[0][0], images),
            choices=tuple(choice for _, choice in asked),
        )
        for asked in list(grouped.values())[:limit]
    )
    files = [Path(s.image.path) for s in samples if isinstance(s.image, FileImage)]
    return Dataset(
        name=path.stem,
        split=used,
        revision=content_revision([path], [file for file in files if file.is_file()]),
        licence="unstated",
        citation="",
        samples=samples,
        domain="photo",
    )


def _rows(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(1 << 30)
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter="\t")
    columns = reader.fieldnames or []
    lacking = [column for column in _NEEDED if column not in columns]
    if not {"image", "image_path"} & set(columns):
        lacking.append("image or image_path")
    if lacking:
        raise DataError(
            f"{path}: there is no column {lacking[0]!r}; needed are {', '.join(_NEEDED)}, and image or image_path"
        )
    try:
        rows = [
            {
                key: "" if (value or "").strip() in _NO_VALUE else str(value)
                for key, value in row.items()
                if key
            }
            for row in reader
        ]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
    if not rows:
        raise DataError(f"{path} has no rows")
    seen: set[str] = set()
    for row in rows:
        row["index"] = row["index"].strip()
        if not row["index"] or row["index"] in seen:
            raise DataError(f"{path}: the index {row['index']!r} is empty or there twice")
        seen.add(row["index"])
    unanswered = [row["index"] for row in rows if not row["answer"]]
    if unanswered:
        raise DataError(
            f"{path}: {len(unanswered)} rows have no answer (index {name_some(unanswered)}): a test split whose "
            "answers are not public cannot be scored"
        )
    return rows


def _of_split(path: Path, rows: list[dict[str, str]], split: str | None) -> tuple[list[dict[str, str]], str]:
    there = sorted({row.get("split", "") for row in rows} - {""})
    if not there:
        if split not in (None, "all"):
            raise DataError(f"{path} has no splits: asked for {split!r}, allowed: 'all'")
        return rows, "all"
    wanted = split or ("test" if "test" in there else there[0] if len(there) == 1 else "")
    if wanted not in there:
        raise DataError(f"{path} has no split {wanted!r}; allowed: {', '.join(there)}")
    return [row for row in rows if row["split"] == wanted], wanted


def _choice(row: Mapping[str, str], where: str) -> Choice:
    options = []
    for letter in LETTERS:
        if not row.get(letter, ""):
            break
        options.append(row[letter])
    return make_choice(
        where,
        row["index"],
        row["question"],
        options,
        row["answer"],
        row.get("category", ""),
        row.get("hint", ""),
    )


def _image_key(row: Mapping[str, str], images: Mapping[str, str], where: str) -> str:
    """What rows on one image share."""
    encoded = _encoded(row, images)
    if encoded:
        return hashlib.sha256(encoded.encode()).hexdigest()
    if not row.get("image_path", ""):
        raise DataError(f"{where}: neither image nor image_path")
    return row["image_path"]


def _encoded(row: Mapping[str, str], images: Mapping[str, str]) -> str:
    image = row.get("image", "")
    return images.get(image, image) if len(image) <= _LONGEST_REFERENCE else image


def _image(path: Path, row: Mapping[str, str], images: Mapping[str, str]) -> ImageSource:
    encoded, name = _encoded(row, images), f"{path}, image of index {row['index']}"
    if not encoded:
        return FileImage(str(path.parent / row["image_path"]))
    try:
        return EncodedImage(name, base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{name}: not base64: {error}") from error
