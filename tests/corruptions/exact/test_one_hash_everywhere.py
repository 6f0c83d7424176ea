"""The bytes of ``core@2``: golden hashes, and the same without numba's compiler or with plain machine code.

Run as a program, this file stores the golden hashes anew; with ``--print`` it prints them instead (``.ci/matrix``).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.corruptions.exact.frame import to_frame
from mafs_bench.types import Image

GOLDEN = Path(__file__).with_name("exact_cells.json")
NAMES = [c.name for c in suites.load("core@2").corruptions.values() if c.modality == "image"]
SIZES = [(64, 64), (40, 57), (96, 71), (33, 140)] * 3


def images() -> list[Image]:
    """Twelve images that whole numbers draw: gradients, flat areas, edges, texture, grey, black and white."""
    found = []
    for number, (height, width) in enumerate(SIZES):
        y, x = np.mgrid[0:height, 0:width]
        texture = (x * x * (number + 3) + y * 7919 + x * y * number) % 251
        planes = [(x * 255 // width), (y * 255 // height), texture if number % 2 else (x + y) * 3 % 256]
        image = np.stack(planes, axis=2).astype(np.uint8)
        image[: height // 4, : width // 3] = 255 if number % 3 else 0
        image[height // 2 :, width // 2 : width // 2 + 9] = (200, 30, 10 * number)
        found.append(image if number % 4 else np.repeat(image[..., :1], 3, axis=2))
    return found


def hashes(names: list[str], count: int) -> dict[str, str]:
    """SHA-256 of all cells of the first ``count`` images by corruption, and of the images in a frame of 48."""
    corruptions = suites.load("core@2").corruptions
    found = {}
    for name in names:
        digest = hashlib.sha256()
        for number, image in enumerate(images()[:count]):
            for cell in corrupt_image(
                image, corruptions[name], corruptions[name].severities, seed=0, sample_id=str(number)
            ):
                digest.update(cell.tobytes())
        found[name] = digest.hexdigest()
    digest = hashlib.sha256()
    for image in images()[:count]:
        digest.update(to_frame(image, 48).tobytes())
    return {**found, "frame": digest.hexdigest()}


def stored(count: int) -> dict[str, str]:
    return {name: hashes[str(count)] for name, hashes in json.loads(GOLDEN.read_text()).items()}


def test_the_bytes_are_the_golden_ones() -> None:
    assert hashes(NAMES, 12) == stored(12)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"NUMBA_DISABLE_JIT": "1"}, marks=pytest.mark.slow, id="no compiler"),
        pytest.param(
            {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, marks=pytest.mark.slow, id="generic"
        ),
        pytest.param({"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX"}, id="numpy without AVX"),
        pytest.param({"OPENCV_CPU_DISABLE": "AVX2,FMA3,AVX512-SKX"}, id="OpenCV without AVX"),
    ],
)
def test_another_machine_gives_the_same_bytes(environment: dict[str, str], tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)} if "NUMBA_CPU_NAME" in environment else {}
    done = subprocess.run(
        [sys.executable, __file__, "--print", "1"],
        env={**os.environ, **environment, **cache, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == stored(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--print"]:
        print(json.dumps(hashes(NAMES, int(sys.argv[2]))))
    else:
        one, twelve = hashes(NAMES, 1), hashes(NAMES, 12)
        rows = [f'"{name}": {json.dumps({"1": one[name], "12": twelve[name]})}' for name in twelve]
        GOLDEN.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
