"""A toy data set and adapters that need no weights, for tests of the runner."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from mafs_bench.adapters.base import Embeddings, Fused

COLOURS = ("red", "green", "blue", "white", "black", "orange", "purple", "grey")
TOY_ADAPTER = f"{__file__}:ToyEncoder"


def write_toy_folder(folder: Path, n: int = 12) -> Path:
    """``n`` small noisy pictures with two captions each, as JSONL."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for i in range(n):
        base = rng.integers(30, 225, size=3)
        pixels = np.clip(base + rng.normal(0, 20, size=(48, 64, 3)), 0, 255).astype(np.uint8)
        PILImage.fromarray(pixels).save(folder / "images" / f"{i:03d}.png")
        captions = [
            f"a {COLOURS[i % 8]} picture number {i}",
            f"this shows something {COLOURS[i % 8]}, item {i}",
        ]
        lines.append(json.dumps({"image": f"{i:03d}.png", "captions": captions}))
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def _unit(rows: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(rows).astype(np.float32)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


class ToyEncoder:
    """Mean colours for images, hashed letters for texts: deterministic, fast, bad at its job."""

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        return _unit([np.concatenate([im.mean((0, 1)), im.std((0, 1)), [1.0]]) - 60 for im in images])

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        digests = [np.frombuffer(hashlib.sha256(t.encode()).digest()[:7], np.uint8) for t in texts]
        return _unit([d.astype(np.float32) - 127.5 for d in digests])

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        return Fused(_unit(list(images.vectors + texts.vectors)), {})
