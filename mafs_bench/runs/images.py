"""Corrupted images, made in worker processes while the model runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.user_code import user_code_in_one_line
from mafs_bench.corruptions.engine import corrupt_where_applicable
from mafs_bench.corruptions.exact.frame import blend
from mafs_bench.corruptions.pairs import blend_images
from mafs_bench.datasets.images import image_size
from mafs_bench.errors import DataError, MafsBenchError, UnknownNameError, UsageError
from mafs_bench.runs.frame import FramedImage, load_with_boxes
from mafs_bench.runs.workers import ordered
from mafs_bench.types import Box, Corruption, Image, ImageSource

Preprocess = Callable[[Image], npt.NDArray[Any]]

_GO_WITHOUT = "--on-error skip leaves out what cannot be used, --exclude FILE what you name"

_PART_ROWS = 20
"""Images that a worker makes at once."""


@dataclass(frozen=True, slots=True)
class BlankImage:
    """Replacement for a missing image: mid-grey, of the usual input size of CLIP models."""

    name: str = "missing image"

    def load(self) -> Image:
        """(224, 224, 3), every value 127."""
        return np.full((224, 224, 3), 127, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class BlendedImage:
    """An image mixed with another one; ``share`` is the other's part."""

    image: ImageSource
    other: ImageSource
    share: float

    @property
    def name(self) -> str:
        """The first image's name."""
        return self.image.name

    def load(self) -> Image:
        """Decode both and blend them."""
        mix = blend if isinstance(self.image, FramedImage) else blend_images
        return mix(self.image.load(), self.other.load(), self.share)


@dataclass(frozen=True, slots=True)
class CorruptedImage:
    """An image under one corruption and severity, made when it is loaded; as it is where that does not apply."""

    image: ImageSource
    corruption: Corruption
    severity: int
    seed: int
    sample_id: str
    boxes: tuple[Box, ...] = ()

    @property
    def name(self) -> str:
        """The image's name."""
        return self.image.name

    def load(self) -> Image:
        """Decode and corrupt."""
        image, boxes = load_with_boxes(self.image, self.boxes)
        (made,) = corrupt_where_applicable(
            image, self.corruption, (self.severity,), seed=self.seed, sample_id=self.sample_id, boxes=boxes
        )
        return made


@dataclass(frozen=True, slots=True)
class ImageJob:
    """Which images to make: every source at every severity of one corruption (None: as they are).

    ``boxes`` are each source's, or none at all. ``preprocess`` runs in the worker; without one the images come raw.
    """

    sources: Sequence[ImageSource]
    ids: Sequence[str]
    corruption: Corruption | None
    severities: tuple[int, ...]
    seed: int
    engine: str = "native"
    preprocess: Preprocess | None = None
    boxes: Sequence[Sequence[Box]] = ()


@dataclass(frozen=True, slots=True)
class ImageItem:
    """One source, made: an array per severity, with SHA-256 and mean absolute change (grey levels) each."""

    position: int
    arrays: list[npt.NDArray[Any]]
    digests: list[bytes]
    changes: list[float]


def make_item(job: ImageJob, position: int) -> ImageItem:
    """Decode one image once and make all its severities from one draw; clean ones where that does not apply.

    Raises ``DataError`` naming the sample, where its image cannot be read or corrupted.
    """
    try:
        clean, boxes = load_with_boxes(job.sources[position], job.boxes[position] if job.boxes else ())
        images = corrupt_where_applicable(
            clean,
            job.corruption,
            job.severities,
            seed=job.seed,
            sample_id=job.ids[position],
            engine=job.engine,
            boxes=boxes,
        )
    except DataError as error:
        raise DataError(f"sample {job.ids[position]}: {error} ({_GO_WITHOUT})") from error
    return ImageItem(
        position,
        [image if job.preprocess is None else _preprocessed(job.preprocess, image) for image in images],
        [image_digest(image) for image in images],
        [_change(clean, image) for image in images],
    )


def _preprocessed(preprocess: Preprocess, image: Image) -> npt.NDArray[Any]:
    """Raises ``AdapterError`` for what a user's code raises: its traceback would not leave the worker."""
    with user_code_in_one_line("preprocess"):
        return preprocess(image)


def image_digest(image: Image) -> bytes:
    """SHA-256 over shape and pixels."""
    header = f"{image.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(image).tobytes()).digest()


def _change(clean: Image, image: Image) -> float:
    if image is clean:
        return 0.0
    import cv2

    return float(cv2.norm(clean, image, cv2.NORM_L1) / clean.size)


@dataclass(frozen=True, slots=True)
class _Part:
    """A few sources of a job: what a worker makes at once. ``number`` is the job's."""

    number: int
    positions: tuple[int, ...]
    job: ImageJob


def stream_jobs(
    jobs: Iterable[tuple[ImageJob, Sequence[int]]], *, workers: int
) -> Iterator[tuple[int, ImageItem]]:
    """Make the images of one job after the other, in order, each with its job's number.

    The next job is started while the last images of the previous one are still in progress; ``preprocess`` must be the
    same in all. Raises ``DataError`` for an unreadable image.
    """
    ahead = iter(jobs)
    first = next(ahead, None)
    if first is None:
        return
    parts = _parts(chain([first], ahead))
    for part, made in ordered(_make_part, parts, first[0].preprocess, workers, _describe):
        for item in made:
            if isinstance(item, MafsBenchError):
                raise item
            yield part.number, item


def stream_images(
    job: ImageJob, positions: Sequence[int], *, batch: int, workers: int
) -> Iterator[list[ImageItem]]:
    """Make the images at ``positions``, in order, ``batch`` sources at a time.

    Raises ``DataError`` for an unreadable image.
    """
    items = (item for _, item in stream_jobs([(job, positions)], workers=workers))
    while some := list(islice(items, batch)):
        yield some


def _parts(jobs: Iterable[tuple[ImageJob, Sequence[int]]]) -> Iterator[_Part]:
    for number, (job, positions) in enumerate(jobs):
        size = max(1, _PART_ROWS // len(job.severities))
        for start in range(0, len(positions), size):
            some = tuple(positions[start : start + size])
            own = replace(
                job,
                sources=[job.sources[i] for i in some],
                ids=[job.ids[i] for i in some],
                boxes=[job.boxes[i] for i in some] if job.boxes else (),
                preprocess=None,
            )
            yield _Part(number, some, own)


def _make_part(preprocess: Preprocess | None, part: _Part) -> tuple[_Part, list[ImageItem | MafsBenchError]]:
    """Make the sources of a part; errors travel as values."""
    job = replace(part.job, preprocess=preprocess)
    made: list[ImageItem | MafsBenchError] = []
    for own, position in enumerate(part.positions):
        try:
            made.append(replace(make_item(job, own), position=position))
        except UnknownNameError as error:
            made.append(UsageError(str(error)))  # the one error that does not survive pickling
        except MafsBenchError as error:
            made.append(error)
    return part, made


def _describe(part: _Part) -> str:
    """The images of a part, and the largest of them: a worker without memory most likely died over it."""
    names = [source.name for source in part.job.sources]
    if len(names) == 1:
        return names[0]
    sizes = {name: size for name in names if (size := image_size(name)) is not None}
    listed = f"{names[0]} … {names[-1]}"
    if not sizes:
        return listed
    largest, (width, height) = max(sizes.items(), key=lambda item: item[1][0] * item[1][1])
    return f"{listed} (the largest: {largest}, {width}x{height})"
