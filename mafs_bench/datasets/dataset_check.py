"""Check that a data set is complete: count its samples, look for every image, and optionally decode them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mafs_bench.datasets import coco, flickr30k, vqav2
from mafs_bench.datasets.annotations import Entry, name_some, read_entries
from mafs_bench.datasets.folder import find_annotations, list_images
from mafs_bench.datasets.images import decode
from mafs_bench.datasets.local import image_root, locate, textual_fault
from mafs_bench.errors import DataError, MafsBenchError, UnknownNameError


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """The result of checking one split.

    texts: number of captions or questions. expected: number of images in the complete split, None if unknown.
    wordless: images without a caption or with an empty one. broken: decoding errors, one per image. absent: why
    the annotations cannot be read, None if they can.
    """

    split: str
    annotations: str = ""
    images: int = 0
    expected: int | None = None
    texts: int = 0
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    absent: str | None = None
    wordless: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every annotated image exists and none is known to be broken."""
        return self.absent is None and not (self.missing or self.broken or self.wordless)

    def describe(self) -> str:
        """One line for a reader."""
        if self.absent is not None:
            return f"{self.split}: not found ({self.absent})"
        of_all = f" of {self.expected:,}" if self.expected not in (None, self.images) else ""
        faults = [
            f"{len(names):,} {what}: {name_some(names)}"
            for what, names in (
                ("images missing", self.missing),
                ("without a caption or with an empty one", self.wordless),
                ("not readable", self.broken),
            )
            if names
        ]
        counts = f"{self.images:,}{of_all} images, {self.texts:,} texts ({self.annotations})"
        return f"{self.split}: {counts}; {'; '.join(faults) or 'all images found'}"


def check(spec: str, root: Path | None, *, decode_all: bool = False) -> list[SplitCheck]:
    """Check every split of a named data set in ``root``, or of a user's folder.

    Raises ``UnknownNameError`` for an unknown name, ``DataError`` if no split is found.
    """
    folder = Path(spec).expanduser()
    if spec in _NAMED:
        if root is None:
            raise DataError(f"{spec}: give the folder with --data-root DIR")
        checks = _NAMED[spec](root, decode_all)
    elif folder.exists():
        checks = _check_folder(folder, decode_all)
    else:
        raise UnknownNameError("data set to check", spec, _NAMED)
    if all(one.absent is not None for one in checks):
        raise DataError(f"{spec}: no split found: {checks[0].absent}")
    return checks


def _check_coco(root: Path, decode_all: bool) -> list[SplitCheck]:
    return [_check_captions(coco.read_split, root, s, n, decode_all) for s, n in coco.EXPECTED.items()]


def _check_flickr30k(root: Path, decode_all: bool) -> list[SplitCheck]:
    expected = flickr30k.EXPECTED.items()
    return [_check_captions(flickr30k.read_split, root, s, n, decode_all) for s, n in expected]


def _check_vqav2(root: Path, decode_all: bool) -> list[SplitCheck]:
    return [_check_questions(root, split, n, decode_all) for split, n in vqav2.EXPECTED.items()]


_NAMED: dict[str, Callable[[Path, bool], list[SplitCheck]]] = {
    "coco": _check_coco,
    "flickr30k": _check_flickr30k,
    "vqav2": _check_vqav2,
}


def _check_captions(
    read: Callable[[Path, str], tuple[Path, list[Entry]]],
    root: Path,
    split: str,
    expected: int,
    decode_all: bool,
) -> SplitCheck:
    try:
        annotations, entries = read(root, split)
    except MafsBenchError as error:
        return SplitCheck(split, absent=str(error))
    return _check_entries(split, annotations, entries, expected, decode_all)


def _check_questions(root: Path, split: str, expected: int, decode_all: bool) -> SplitCheck:
    try:
        (asked, _), questions = vqav2.read_questions(root, split)
        origin = vqav2.read_vocabulary(root, split)[2]
    except MafsBenchError as error:
        return SplitCheck(split, absent=str(error))
    names = [vqav2.image_file(split, image) for image in questions]
    missing, broken = _look(root, names, decode_all)
    texts = sum(len(of_image) for of_image in questions.values())
    note = f"{asked.name}; candidate answers: {origin}"
    return SplitCheck(split, note, len(names), expected, texts, missing, broken)


def _check_folder(folder: Path, decode_all: bool) -> list[SplitCheck]:
    annotations = folder if folder.is_file() else find_annotations(folder, None)
    if annotations is None:
        names = list_images(folder)
        if not names:
            raise DataError(f"{folder} contains neither an annotation file nor images")
        missing, broken = _look(folder, names, decode_all)
        return [SplitCheck("all", "no annotation file", len(names), None, 0, missing, broken)]
    by_split: dict[str, list[Entry]] = {}
    for entry in read_entries(annotations):
        by_split.setdefault(entry.split or "all", []).append(entry)
    return [_check_entries(s, annotations, entries, None, decode_all) for s, entries in by_split.items()]


def _check_entries(
    split: str, annotations: Path, entries: Sequence[Entry], expected: int | None, decode_all: bool
) -> SplitCheck:
    missing, broken = _look(image_root(annotations), [entry.file for entry in entries], decode_all)
    texts = sum(len(entry.captions) + len(entry.questions) for entry in entries)
    wordless = tuple(entry.file for entry in entries if textual_fault(entry))
    return SplitCheck(
        split, annotations.name, len(entries), expected, texts, missing, broken, wordless=wordless
    )


def _look(root: Path, names: Sequence[str], decode_all: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the missing images, and the decoding errors of the others."""
    paths = locate(root, names)
    missing = tuple(name for name, path in zip(names, paths, strict=True) if path is None)
    return missing, tuple(filter(None, (_fault(p) for p in paths if p is not None and decode_all)))


def _fault(path: Path) -> str | None:
    try:
        decode(path)
    except DataError as error:
        return str(error)
    return None
