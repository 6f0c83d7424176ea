"""What every card says of the data that something was made from."""

from __future__ import annotations

from mafs_bench.types import Dataset


def describe_data(dataset: Dataset) -> dict[str, str | int]:
    """Name, split, revision, sizes and licence, as a card's ``data``."""
    return {
        "name": dataset.name,
        "split": dataset.split,
        "revision": dataset.revision,
        "images": len(dataset.samples),
        "captions": sum(len(s.captions) for s in dataset.samples),
        "licence": dataset.licence,
    }
