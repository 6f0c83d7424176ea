"""COCO captions: Karpathy's splits (5k test, its five folds of 1k) and the official train and val.

From a folder (``root``) in the official layout: ``dataset_coco.json`` or ``annotations/captions_val2017.json``
beside ``train2014/``, ``val2014/`` or ``train2017/``, ``val2017/``; otherwise the 5k test from the hub. Only the
first five captions per image are used, as is usual for retrieval on COCO (25,000 captions for 5k images). Boxes
are read from ``annotations/instances_*.json`` if a corruption needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mafs_bench.datasets.annotations import Entry, read_entries
from mafs_bench.datasets.hub import HubImage, HubTable, open_rows, text_columns
from mafs_bench.datasets.instances import add_boxes, official_split
from mafs_bench.datasets.local import first_file, image_root, read_local
from mafs_bench.datasets.positives import KINDS, human_positives
from mafs_bench.errors import DataError, UnknownNameError
from mafs_bench.types import Dataset, Sample

LICENCE = "annotations CC BY 4.0; each photo under its own Flickr licence (cocodataset.org, terms of use)"
CITATION = (
    "Lin et al., Microsoft COCO, ECCV 2014 (arXiv 1405.0312); "
    "splits of Karpathy and Fei-Fei, CVPR 2015 (arXiv 1412.2306)"
)
HUB = HubTable(
    "nlphuji/mscoco_2014_5k_test_image_text_retrieval",
    "fb42856fbf2ecad4d1382679f0abb33cab9fc952",
    "TEST/test/*.parquet",
)
OFFICIAL_SPLITS = ("train2014", "val2014", "train2017", "val2017")
KARPATHY_FILES = ("dataset_coco.json", "annotations/dataset_coco.json", "karpathy/dataset_coco.json")
EXPECTED = {"train": 82783, "restval": 30504, "val": 5000, "test": 5000, "val2014": 40504, "val2017": 5000}
"""Number of images in the complete splits."""

N_CAPTIONS = 5
_FOLD = 1000
FOLDS = tuple(f"1k-{fold}" for fold in range(5))
VARIANTS = ("5k", *FOLDS, *KINDS)


def load(variant: str, split: str, *, root: Path | None = None, limit: int | None = None) -> Dataset:
    """Load ``coco``, ``coco:1k-0`` … ``coco:1k-4``, ``coco:cxc`` or ``coco:eccv``; images are decoded on demand.

    split: Karpathy's "test", "val", "train", "restval", or an official one ("val2017" …). ``cxc`` and
    ``eccv`` add the positives that annotators found among the other images. Raises ``UnknownNameError`` and
    ``DataError``.
    """
    if variant and variant not in VARIANTS:
        raise UnknownNameError("variant of coco", variant, VARIANTS)
    if root is None:
        return _from_hub(variant, split, limit)
    annotations, entries = read_split(root, split)
    if variant in FOLDS:
        entries = _fold(entries, FOLDS.index(variant), annotations)
    samples, revision = read_local([annotations], image_root(annotations), entries, limit)
    published = {split} if split in OFFICIAL_SPLITS else {official_split(entry.file) for entry in entries}
    return Dataset(
        language="en",
        name=f"coco:{variant}" if variant else "coco",
        split=split,
        revision=revision,
        licence=LICENCE,
        citation=CITATION,
        samples=samples,
        relevance=human_positives(variant, entries, limit=limit) if variant in KINDS else None,
        domain="photo",
        read_boxes=partial(add_boxes, root, sorted(published)),
    )


def read_split(root: Path, split: str) -> tuple[Path, list[Entry]]:
    """The annotation file of a split and its entries, five captions per image. Raises ``DataError``."""
    if split in OFFICIAL_SPLITS:
        annotations = first_file(root, [f"annotations/captions_{split}.json", f"captions_{split}.json"])
        entries = read_entries(annotations)
    else:
        annotations = first_file(root, KARPATHY_FILES)
        everything = read_entries(annotations)
        entries = [entry for entry in everything if entry.split == split]
        if not entries:
            there = sorted({entry.split for entry in everything}) + list(OFFICIAL_SPLITS)
            raise UnknownNameError("split of coco", split, there)
    return annotations, [
        replace(e, captions=e.captions[:N_CAPTIONS], caption_ids=e.caption_ids[:N_CAPTIONS]) for e in entries
    ]


def _fold(entries: Sequence[Entry], fold: int, annotations: Path) -> list[Entry]:
    """Images 1000 * fold to 1000 * (fold + 1), in file order."""
    chosen = list(entries[fold * _FOLD : (fold + 1) * _FOLD])
    if len(chosen) < _FOLD:
        raise DataError(
            f"{annotations}: fold 1k-{fold} needs {(fold + 1) * _FOLD:,} images, the split has {len(entries):,}"
        )
    return chosen


def _from_hub(variant: str, split: str, limit: int | None) -> Dataset:
    layout = "--data-root DIR with dataset_coco.json, train2014/ and val2014/"
    if split != "test" or variant not in ("", "5k"):
        raise DataError(f"the hub has coco's 5k test only, asked for coco:{variant} {split}; needs {layout}")
    rows = open_rows(HUB.url, layout)
    samples = []
    for index, row in enumerate(text_columns(rows)):
        if index == limit:
            break
        name = str(row.get("cocoid") or row.get("filename") or index)
        captions = tuple(caption.strip() for caption in row["caption"][:N_CAPTIONS])
        samples.append(Sample(name, name, HubImage(rows, index, f"{HUB.repository}[{index}]"), captions))
    return Dataset(
        language="en",
        name="coco",
        split="test",
        revision=HUB.revision,
        licence=LICENCE,
        citation=CITATION,
        samples=tuple(samples),
        domain="photo",
    )
