"""Corrupted images, made in worker processes while the model runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.errors import DataError, MafsBenchError
from mafs_bench.operators.engine import corrupt_image
from mafs_bench.operators.pairs import blend_images
from mafs_bench.types import Corruption, Image, ImageSource

Preprocess = Callable[[Image], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class BlankImage:
    """What stands in for a missing image: mid-grey, as large as the common input of CLIP models."""

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
        return blend_images(self.image.load(), self.other.load(), self.share)


@dataclass(frozen=True, slots=True)
class CorruptedImage:
    """An image under one corruption and severity, made when it is loaded."""

    image: ImageSource
    corruption: Corruption
    severity: int
    seed: int
    sample_id: str

    @property
    def name(self) -> str:
        """The image's name."""
        return self.image.name

    def load(self) -> Image:
        """Decode and corrupt."""
        clean = self.image.load()
        made = corrupt_image(
            clean, self.corruption, (self.severity,), seed=self.seed, sample_id=self.sample_id
        )
        return made[0]


@dataclass(frozen=True, slots=True)
class ImageJob:
    """Which images to make: every source at every severity of one corruption (None: as they are).

    ``preprocess`` runs in the worker; without one the images come raw.
    """

    sources: Sequence[ImageSource]
    ids: Sequence[str]
    corruption: Corruption | None
    severities: tuple[int, ...]
    seed: int
    engine: str = "native"
    on_error: str = "fail"
    preprocess: Preprocess | None = None


@dataclass(frozen=True, slots=True)
class ImageItem:
    """One source, made: arrays a severity, with SHA-256 and mean absolute change (grey levels) each.

    ``error`` is set where the image could not be read and a blank one stands in.
    """

    position: int
    arrays: list[npt.NDArray[Any]]
    digests: list[bytes]
    changes: list[float]
    error: str | None = None


def make_item(job: ImageJob, position: int) -> ImageItem:
    """Decode one image once and make all its severities from one draw."""
    error = None
    try:
        clean = job.sources[position].load()
    except DataError as unreadable:
        error, clean = str(unreadable), BlankImage().load()
    images = [clean] * len(job.severities)
    if job.corruption is not None and error is None:
        images = corrupt_image(
            clean,
            job.corruption,
            job.severities,
            seed=job.seed,
            sample_id=job.ids[position],
            engine=job.engine,
        )
    return ImageItem(
        position,
        [image if job.preprocess is None else job.preprocess(image) for image in images],
        [_digest(image) for image in images],
        [_change(clean, image) for image in images],
        error,
    )


def _digest(image: Image) -> bytes:
    header = f"{image.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(image).tobytes()).digest()


def _change(clean: Image, image: Image) -> float:
    if image is clean:
        return 0.0
    import cv2

    return float(cv2.norm(clean, image, cv2.NORM_L1) / clean.size)


class _Items:
    """A map-style data set for ``torch.utils.data.DataLoader``; errors travel as values."""

    def __init__(self, job: ImageJob, positions: Sequence[int]) -> None:
        self._job = job
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> ImageItem | MafsBenchError:
        try:
            return make_item(self._job, self._positions[index])
        except MafsBenchError as error:
            return error


def _one_thread(_worker: int) -> None:
    """Keep a worker process to one core: the parent's model uses the others."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _to_shared(batch: list[Any]) -> list[Any]:
    return batch


def stream_images(
    job: ImageJob, positions: Sequence[int], *, batch: int, workers: int
) -> Iterator[list[ImageItem]]:
    """Make the images at ``positions``, in order, ``batch`` sources at a time.

    Raises ``DataError`` for an unreadable image unless ``job.on_error`` is "skip".
    """
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        _Items(job, positions),  # type: ignore[arg-type]
        batch_size=batch,
        num_workers=min(workers, -(-len(positions) // batch)),
        collate_fn=_to_shared,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers and positions else None,
    )
    for items in loader:
        for item in items:
            if isinstance(item, MafsBenchError):
                raise item
            if item.error is not None and job.on_error == "fail":
                raise DataError(f"{item.error} (--on-error skip leaves such images out)")
        yield items
