"""Flickr30k with Karpathy's splits (1k test).

From a folder (``root``): ``dataset_flickr30k.json``, or ``results_20130124.token`` or Kaggle's ``results.csv``
with a list of the split's images (``test.txt``), beside ``flickr30k-images/``; otherwise the 1k test from the hub.
"""

from __future__ import annotations

from pathlib import Path

from mafs_bench.datasets.annotations import Entry, read_entries, read_text
from mafs_bench.datasets.caption_tables import read_lines
from mafs_bench.datasets.hub import HubImage, HubTable, open_rows, text_columns
from mafs_bench.datasets.local import first_file, image_root, read_local
from mafs_bench.errors import DataError, UnknownNameError
from mafs_bench.types import Dataset, Sample

LICENCE = "photos under their Flickr licences, for research and education only (terms of the data set)"
CITATION = (
    "Young et al., From image descriptions to visual denotations, TACL 2014; "
    "splits of Karpathy and Fei-Fei, CVPR 2015 (arXiv 1412.2306)"
)
HUB = HubTable("royokong/flickr30k_test", "e5d418e5d73970abdca4f9d97914e1b4cce76478", "data/test-*.parquet")
EXPECTED = {"train": 29000, "val": 1014, "test": 1000, "all": 31783}
"""Number of images in the complete splits; "all" is the whole token file."""

_FILES = ("dataset_flickr*.json", "*.token", "results.csv")


def load(variant: str, split: str, *, root: Path | None = None, limit: int | None = None) -> Dataset:
    """Load a split: "test", "val", "train", or "all" of a token file or table. Images are decoded on demand.

    Raises ``UnknownNameError`` and ``DataError``.
    """
    if variant:
        raise UnknownNameError("variant of flickr30k", variant, [])
    if root is None:
        return _from_hub(split, limit)
    annotations, entries = read_split(root, split)
    samples, revision = read_local([annotations], image_root(annotations), entries, limit)
    return Dataset(
        language="en",
        name="flickr30k",
        split=split,
        revision=revision,
        licence=LICENCE,
        citation=CITATION,
        samples=samples,
        domain="photo",
    )


def read_split(root: Path, split: str) -> tuple[Path, list[Entry]]:
    """The annotation file of a split and its entries. Raises ``DataError``."""
    annotations = first_file(root, _FILES)
    entries = read_entries(annotations)
    if annotations.suffix != ".json":
        return annotations, _listed(root, entries, split)
    chosen = [entry for entry in entries if entry.split == split]
    if not chosen:
        raise UnknownNameError("split of flickr30k", split, {entry.split for entry in entries})
    return annotations, chosen


def _listed(root: Path, entries: list[Entry], split: str) -> list[Entry]:
    """The entries listed in ``<split>.txt``, with or without ``.jpg``."""
    if split == "all":
        return entries
    listing = root / f"{split}.txt"
    if not listing.is_file():
        raise DataError(f"a token file has no splits: {listing} (a list of images) is missing")
    names = {line.strip().removesuffix(".jpg") for line in read_lines(read_text(listing)) if line.strip()}
    chosen = [entry for entry in entries if entry.file.removesuffix(".jpg") in names]
    if len(chosen) != len(names):
        raise DataError(f"{listing} lists {len(names)} images, of which {len(chosen)} have captions")
    return chosen


def _from_hub(split: str, limit: int | None) -> Dataset:
    layout = "--data-root DIR with dataset_flickr30k.json and flickr30k-images/"
    if split != "test":
        raise DataError(f"the hub has flickr30k's 1k test only, asked for {split}; needs {layout}")
    rows = open_rows(HUB.url, layout)
    samples = [
        Sample(
            str(index),
            str(index),
            HubImage(rows, index, f"{HUB.repository}[{index}]"),
            tuple(caption.strip() for caption in row["text"]),
        )
        for index, row in zip(range(limit or len(rows)), text_columns(rows), strict=False)
    ]
    return Dataset(
        language="en",
        name="flickr30k",
        split="test",
        revision=HUB.revision,
        licence=LICENCE,
        citation=CITATION,
        samples=tuple(samples),
        domain="photo",
    )
