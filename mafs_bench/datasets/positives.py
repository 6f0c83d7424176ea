"""Captions that annotators judged true of other images in COCO's 5k test.

``cxc``: CrissCrossed Captions (Parekh et al., EACL 2021). ``eccv``: ECCV Caption (Chun et al., ECCV 2022), whose
queries are a subset: the others have no positives and are unscored. Both come from the package ``eccv_caption``.
ECCV Caption lists two captions that are not among the 25,000: they count in R, as in that package.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mafs_bench.datasets.annotations import Entry, read_json
from mafs_bench.errors import DataError
from mafs_bench.types import Relevance

KINDS = ("cxc", "eccv")


def human_positives(
    kind: str, entries: Sequence[Entry], folder: Path | None = None, limit: int | None = None
) -> Relevance:
    """Positives of kind "cxc" or "eccv" among the first ``limit`` of a split's entries, for both directions.

    ``folder`` contains ``<kind>_caption_to_image.json`` and ``<kind>_image_to_caption.json``; None uses the files of
    the installed package. Raises ``DataError`` if it is missing or the captions have no COCO ids.
    """
    folder = folder if folder is not None else _package_data(kind)
    captions = [number for entry in entries for number in entry.caption_ids]
    if len(captions) != sum(len(entry.captions) for entry in entries) or -1 in captions:
        raise DataError(f"coco:{kind} needs COCO's caption ids ('sentid'), which these annotations lack")
    kept = captions[: sum(len(entry.captions) for entry in entries[:limit])]
    image_at = {int(entry.id): position for position, entry in enumerate(entries[:limit])}
    caption_at = {number: position for position, number in enumerate(kept)}
    left_out = set(captions) - caption_at.keys()
    images_of = read_json(folder / f"{kind}_caption_to_image.json")
    captions_of = read_json(folder / f"{kind}_image_to_caption.json")
    return Relevance(
        tuple(_positions(images_of.get(str(number), []), image_at) for number in caption_at),
        tuple(_positions(captions_of.get(str(number), []), caption_at) for number in image_at),
        tuple(len({*map(int, captions_of.get(str(number), []))} - left_out) for number in image_at),
    )


def _positions(numbers: Sequence[int], place: dict[int, int]) -> npt.NDArray[np.int64]:
    return np.array(sorted(place[int(n)] for n in numbers if int(n) in place), dtype=np.int64)


def _package_data(kind: str) -> Path:
    spec = importlib.util.find_spec("eccv_caption")
    if spec is None or spec.origin is None:
        raise DataError(f"coco:{kind} needs the package eccv_caption: pip install 'mafs-bench[eccv]'")
    return Path(spec.origin).parent / "data"
