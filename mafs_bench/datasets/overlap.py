"""Whether a model was trained on the images it is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mafs_bench.datasets import DATASETS
from mafs_bench.datasets.content import UNREADABLE, file_digests
from mafs_bench.datasets.images import FileImage
from mafs_bench.datasets.slices import parse_slice
from mafs_bench.types import SCORED_ON_TRAINING_DATA, Dataset, TrainingData


def overlap_notes(model: str, trained_on: Sequence[TrainingData], dataset: Dataset) -> list[str]:
    """One line per part of the training data that shares images with the data set; ``model`` is the model's name.

    Registered data sets are matched by name and split, whatever the variant (``coco:1k-0`` is a part of ``coco``, and
    domains of ``scenes`` show the same scenes); a user's data by name and revision.
    """
    return [
        f"{model} {SCORED_ON_TRAINING_DATA}: {data.name} {data.split} ({data.images:,} images)"
        for data in dict.fromkeys(trained_on)
        if _overlap(data, dataset)
    ]


def _overlap(data: TrainingData, dataset: Dataset) -> bool:
    family = data.name.partition(":")[0]
    if family in DATASETS.names():
        if family != dataset.name.partition(":")[0]:
            return False
    elif (data.name, data.revision) != (dataset.name, dataset.revision):
        return False
    split, start, _ = parse_slice(data.split)
    scored, scored_start, _ = parse_slice(dataset.split)
    if split != scored:
        return False
    if data.name.partition(":")[2] != dataset.name.partition(":")[2] and family != "scenes":
        return True  # positions in two variants do not say which images they share
    return start < scored_start + len(dataset.samples) and scored_start < start + data.images


def shared_images(a: Dataset, b: Dataset) -> int:
    """How many images of ``a`` are also in ``b``: the same file content, or without files the same source."""
    return len(_sources(a) & _sources(b))


def _sources(dataset: Dataset) -> set[str]:
    images = [sample.image for sample in dataset.samples]
    names = [image.name for image in images]
    files = [Path(image.path) if isinstance(image, FileImage) else None for image in images]
    digests = iter(file_digests([file for file in files if file is not None]))
    contents = [next(digests) if file is not None else UNREADABLE for file in files]
    return {name if content == UNREADABLE else content for name, content in zip(names, contents, strict=True)}
