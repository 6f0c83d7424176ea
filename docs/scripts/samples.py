"""Sheets of samples for the suites' pages: a rendered scene, clean and at every severity, one WebP per corruption.

    python docs/scripts/samples.py            write the sheets that have changed
    python docs/scripts/samples.py --check    fail where a sheet is missing, superfluous or out of date

The pixels of the suite are the same on every machine, those of a WebP encoder are not. So ``samples.json`` holds the
SHA-256 of each sheet's pixels before they are encoded, and of the file.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import PIL.Image
from pages import SCENE, WITH_SAMPLES, sample_path

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.corruptions.exact.frame import boxes_to_frame, to_frame
from mafs_bench.datasets import scenes
from mafs_bench.types import Corruption, Image

DOCS = Path(__file__).resolve().parents[1]
RECORD = DOCS / "assets" / "samples" / "samples.json"
_GAP = 4
"""White pixels between two tiles."""

Record = dict[str, tuple[str, str]]
"""File -> SHA-256 of its pixels before encoding, and of the file."""


def sheet(corruption: Corruption) -> Image:
    """One row of half-size tiles, uint8 (128, W, 3): clean, then each severity."""
    sample = scenes.load("", "test", limit=SCENE + 1).samples[SCENE]
    stored = sample.image.load()
    frame = suites.load(WITH_SAMPLES).frame
    boxes = boxes_to_frame(sample.boxes, (stored.shape[0], stored.shape[1]), frame)
    severities = (0, *corruption.severities)
    cells = corrupt_image(
        to_frame(stored, frame), corruption, severities, seed=0, sample_id="docs", boxes=boxes
    )
    tiles = [np.pad(_halved(cell), ((0, 0), (0, _GAP), (0, 0)), constant_values=255) for cell in cells]
    return np.hstack(tiles)[:, :-_GAP]


def _halved(image: Image) -> Image:
    """Means of 2 x 2 pixels, in integers: equal on every machine."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).astype(np.uint16)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)


def encode(image: Image) -> bytes:
    """A small WebP."""
    sink = io.BytesIO()
    PIL.Image.fromarray(image).save(sink, "WEBP", quality=62, method=6)
    return sink.getvalue()


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    checking = parser.parse_args().check
    known: Record = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    wanted = {
        sample_path(corruption): sheet(corruption)
        for corruption in suites.load(WITH_SAMPLES).corruptions.values()
        if corruption.modality == "image"
    }
    stale = [name for name, image in wanted.items() if not _is_current(name, image, known)]
    superfluous = [str(path.relative_to(DOCS)) for path in RECORD.parent.rglob("*.webp")]
    superfluous = [name for name in superfluous if name not in wanted]
    if checking:
        for name in [*stale, *superfluous]:
            print(f"docs/{name}: run python docs/scripts/samples.py", file=sys.stderr)
        return 1 if stale or superfluous else 0
    record: Record = {name: known[name] for name in wanted if name not in stale}
    for name in stale:
        data = encode(wanted[name])
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_bytes(data)
        record[name] = _sha256(wanted[name].tobytes()), _sha256(data)
    for name in superfluous:
        (DOCS / name).unlink()
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n")
    return 0


def _is_current(name: str, image: Image, known: Record) -> bool:
    path = DOCS / name
    return (
        name in known
        and path.is_file()
        and [*known[name]] == [_sha256(image.tobytes()), _sha256(path.read_bytes())]
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
