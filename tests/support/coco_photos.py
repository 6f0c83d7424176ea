"""A small folder in COCO's official layout: drawn photos, captions, and instances written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from mafs_bench.types import Box

SIZES = {42: (64, 48), 139: (60, 80), 285: (72, 50), 632: (64, 64), 724: (64, 48)}
"""(width, height) of each photo."""

BOXES: dict[str, tuple[Box, ...]] = {
    "42": ((4, 6, 25, 17), (40, 20, 64, 48)),
    "139": ((10, 20, 41, 61), (6, 7, 20, 9)),
    "285": ((0, 45, 8, 50),),
    "632": (),
    "724": (),
}
"""The pixels that the boxes below touch. 632 has no annotation, 724 a crowd and nothing else."""

CORNERS = (
    (42, [4.25, 6.5, 20.5, 10.25]),
    (42, [40, 20, 24, 28]),
    (139, [10.1, 20.2, 30.3, 40.4]),
    (139, [6.61, 7.4, 13.39, 1.4]),
    (285, [-2, 45.5, 10, 9.9]),
    (285, [60, 10, 0, 5]),
    (285, [80, 10, 4, 5]),
)


def instances() -> dict[str, Any]:
    """``instances_*.json`` as COCO has it."""
    annotations = [
        {
            "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
            "area": w * h,
            "iscrowd": 0,
            "image_id": image,
            "bbox": [x, y, w, h],
            "category_id": 18,
            "id": number,
        }
        for number, (image, (x, y, w, h)) in enumerate(CORNERS)
    ]
    crowd = {
        "segmentation": {"counts": [0, 24 * 48, 40 * 48], "size": [48, 64]},
        "area": 24 * 48,
        "iscrowd": 1,
        "image_id": 724,
        "bbox": [0, 0, 24, 48],
        "category_id": 1,
        "id": 900100000724,
    }
    return {
        "info": {"description": "drawn", "version": "1.0", "year": 2017},
        "licenses": [{"id": 1, "name": "none", "url": ""}],
        "images": [
            {"id": n, "file_name": f"{n:012d}.jpg", "width": width, "height": height, "license": 1}
            for n, (width, height) in SIZES.items()
        ],
        "annotations": [*annotations, crowd],
        "categories": [{"supercategory": "person", "id": 1, "name": "person"}],
    }


def write_json(path: Path, content: object) -> None:
    """Write with the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_coco(root: Path, split: str = "val2017") -> Path:
    """Photos, captions and instances of an official split; returns the instances file."""
    rng = np.random.default_rng(0)
    (root / split).mkdir(parents=True)
    for n, (width, height) in SIZES.items():
        noise = rng.normal(0, 20, size=(height, width, 3))
        pixels = np.clip(rng.integers(60, 200, size=3) + noise, 0, 255).astype(np.uint8)
        PILImage.fromarray(pixels).save(root / split / file_name(split, n), quality=95)
    images = [{"id": n, "file_name": file_name(split, n)} for n in SIZES]
    captions = [
        {"id": 10 * n + k, "image_id": n, "caption": f"picture {n} told {k}"} for n in SIZES for k in range(2)
    ]
    write_json(root / "annotations" / f"captions_{split}.json", {"images": images, "annotations": captions})
    file = root / "annotations" / f"instances_{split}.json"
    write_json(file, instances())
    return file


def file_name(split: str, number: int) -> str:
    """What COCO calls a photo."""
    return f"COCO_{split}_{number:012d}.jpg" if split.endswith("2014") else f"{number:012d}.jpg"
