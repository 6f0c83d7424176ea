"""See what a corruption does: a contact sheet of images, edits of a text in colour."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.text import Text

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image, corrupt_text, require_image
from mafs_bench.corruptions.exact.frame import boxes_to_frame, to_frame
from mafs_bench.datasets import scenes
from mafs_bench.datasets.folder import load_folder
from mafs_bench.datasets.images import FileImage
from mafs_bench.errors import DataError, UsageError
from mafs_bench.types import MAX_PIXELS, SEVERITIES, Box, Corruption, Image

_GAP, _HEADER, _LABEL = 4, 28, 190
_INK, _PAPER = (32, 32, 32), 255


def choose(
    suite: str, request: str | None, everything: bool, image: Path | None, text: str | None
) -> tuple[list[Corruption], list[Corruption]]:
    """Select the image and the text corruptions to show; where only one of image and text is given, its own.

    Raises ``UsageError`` where nothing is asked for, or nothing that can be shown.
    """
    if everything == (request is not None):
        raise UsageError("preview needs either --corruption NAME or --all")
    found = suites.load(suite).select("all" if request is None else request)
    images = [] if text is not None and image is None else [c for c in found if c.modality == "image"]
    texts = [] if image is not None and text is None else [c for c in found if c.modality == "text"]
    if not images and not texts:
        raise UsageError(
            f"nothing to show of {request!r} for what is given; allowed: corruptions of images or texts"
        )
    return images, texts


def example(
    image: Path | None, text: str | None, max_pixels: int = MAX_PIXELS, frame: int | None = None
) -> tuple[Image, str, Sequence[Box]]:
    """Return image (in a suite's frame), text and the image's boxes; a rendered scene where none is given.

    image: a file, or a folder of which the first image is taken. max_pixels: more are refused. Raises ``DataError`` for
    an image that cannot be read, or is too small to corrupt.
    """
    scene = scenes.load("", "test", limit=1).samples[0]
    source = scene.image
    if image is not None:
        source = load_folder(image, None, 1).samples[0].image if image.is_dir() else FileImage(str(image))
    if isinstance(source, FileImage):
        source = FileImage(source.path, max_pixels)
    stored = source.load()
    boxes = () if image else boxes_to_frame(scene.boxes, (stored.shape[0], stored.shape[1]), frame)
    framed = to_frame(stored, frame)
    require_image(framed, source.name)
    return framed, scene.captions[0] if text is None else text, boxes


def contact_sheet(
    image: Image,
    corruptions: Sequence[Corruption],
    *,
    seed: int = 0,
    tile: int = 160,
    boxes: Sequence[Box] = (),
) -> Image:
    """Lay out a row a corruption and a column a severity, clean first; tiles are at most ``tile`` pixels a side.

    The image is corrupted in the frame that it comes in and shrunk for the sheet. Returns uint8 (H, W, 3).
    """
    rows = [_row(image, corruption, seed, tile, boxes) for corruption in corruptions]
    return np.vstack([_header(rows[0].shape[1], tile, image), *rows])


def _row(image: Image, corruption: Corruption, seed: int, tile: int, boxes: Sequence[Box]) -> Image:
    cells = corrupt_image(
        image, corruption, (0, *corruption.severities), seed=seed, sample_id="preview", boxes=boxes
    )
    tiles = [_frame(_shrink(cell, tile)) for cell in cells]
    tiles += [np.full_like(tiles[0], _PAPER)] * (len(SEVERITIES) + 1 - len(tiles))
    label = np.full((tiles[0].shape[0], _LABEL, 3), _PAPER, dtype=np.uint8)
    _write(label, corruption.name, (6, label.shape[0] // 2))
    return np.hstack([label, *tiles])


def _header(width: int, tile: int, image: Image) -> Image:
    header = np.full((_HEADER, width, 3), _PAPER, dtype=np.uint8)
    column = _shrink(image, tile).shape[1] + _GAP
    for i, title in enumerate(("clean", *map(str, SEVERITIES))):
        _write(header, title, (_LABEL + i * column + 4, _HEADER - 9))
    return header


def _write(canvas: Image, text: str, baseline: tuple[int, int]) -> None:
    cv2.putText(canvas, text, baseline, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)


def _shrink(image: Image, side: int) -> Image:
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def _frame(image: Image) -> Image:
    framed: Image = cv2.copyMakeBorder(
        image, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(_PAPER, _PAPER, _PAPER)
    )
    return framed


_LONG = 2000
"""Pieces from which on frequent ones no longer anchor a comparison: its time grows with the square of their number."""

_FORMATS: dict[str, list[int]] = {".png": [], ".webp": [cv2.IMWRITE_WEBP_QUALITY, 60]}


def write_image(path: Path, image: Image) -> None:
    """Write an image as PNG or WebP. Raises ``DataError`` for the path, ``UsageError`` for its suffix."""
    ending = path.suffix.lower()
    if ending not in _FORMATS:
        raise UsageError(
            f"{path}: cannot write {ending or 'a file without ending'}; allowed: {', '.join(_FORMATS)}"
        )
    done, data = cv2.imencode(ending, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _FORMATS[ending])
    try:
        if done:
            path.write_bytes(data.tobytes())
            return
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    raise DataError(f"{path}: cannot be encoded")


def text_edits(text: str, corruption: Corruption, *, seed: int = 0, brackets: bool = False) -> list[Text]:
    """Give a line a severity: what was removed in red and struck through, what was added in green.

    ``brackets`` surround both, [-removed-] and {+added+}, where colours cannot be shown.
    """
    outs = corrupt_text(text, corruption, SEVERITIES, seed=seed, sample_id="preview")
    return [
        Text(f"{severity}  not applicable", style="dim")
        if out is None
        else _marked(severity, text, out, brackets)
        for severity, out in zip(SEVERITIES, outs, strict=True)
    ]


def _marked(severity: int, before: str, after: str, brackets: bool) -> Text:
    removed, added = ("[-{}-]", "{{+{}+}}") if brackets else ("{}", "{}")
    line = Text(f"{severity}  ")
    old, new = _pieces(before), _pieces(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) > _LONG)
    for kind, i, j, k, n in matcher.get_opcodes():
        if kind == "equal":
            line.append("".join(old[i:j]))
            continue
        if i < j:
            line.append(removed.format("".join(old[i:j])), style="red strike")
        if k < n:
            line.append(added.format("".join(new[k:n])), style="green")
    return line


def _pieces(text: str) -> list[str]:
    """Words, spaces and single other characters."""
    return re.findall(r"\w+|\s+|[^\w\s]", text)
