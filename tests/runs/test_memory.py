"""Where memory runs out over an image, one line names it and says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from mafs_bench.datasets.images import FileImage
from mafs_bench.errors import DataError
from mafs_bench.memory import naming_memory
from mafs_bench.runs.images import ImageJob, _describe, _Part

LIMITED = """
import resource, sys
import numpy as np
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.datasets.images import decode
from mafs_bench.errors import DataError
chosen = suites.load("core@1").select("zoom_blur,shot_noise,snow")
for c in chosen:
    corrupt_image(np.zeros((64, 64, 3), np.uint8), c, (1,), seed=0, sample_id="x")
decode(sys.argv[2])
image = np.zeros((5000, 5000, 3), np.uint8)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (60 << 20), -1))
calls = [lambda: decode(sys.argv[1])]
calls += [lambda c=c: corrupt_image(image, c, (1,), seed=0, sample_id="big.png") for c in chosen]
for call in calls:
    try:
        call()
    except DataError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory as Linux does")
def test_one_line_names_the_image_when_memory_is_short(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (9000, 9000)).save(tmp_path / "big.png")
    PIL.Image.new("RGB", (90, 90)).save(tmp_path / "small.png")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "big.png"), str(tmp_path / "small.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{tmp_path / 'big.png'}: there is not enough memory; take fewer --workers")
    for line, name in zip(lines[1:], ("zoom_blur", "shot_noise", "snow"), strict=True):
        assert line.startswith(f"big.png: {name} of 5000x5000 pixels: there is not enough memory")


@pytest.mark.parametrize("error", [
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
])  # fmt: skip
def test_every_librarys_way_to_say_it(error: Exception) -> None:
    with pytest.raises(DataError, match=r"^a\.jpg: there is not enough memory"), naming_memory("a.jpg"):
        raise error
    with pytest.raises(DataError, match=r"^a\.jpg: "), naming_memory("a.jpg"):
        np.empty(1 << 60, dtype=np.uint8)


@pytest.mark.parametrize("error", [ValueError("out of range"), RuntimeError("no such layer")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), naming_memory("a.jpg"):
        raise error
    with pytest.raises(cv2.error), naming_memory("a.jpg"):
        cv2.resize(np.zeros((4, 4), np.uint8), (0, 0))


def test_images_that_a_worker_died_over_are_named_with_the_largest(tmp_path: Path) -> None:
    sources = []
    for n, size in enumerate([(40, 50), (3000, 40), (60, 60)]):
        PIL.Image.new("RGB", size).save(tmp_path / f"{n}.png")
        sources.append(FileImage(str(tmp_path / f"{n}.png")))
    job = ImageJob(sources, ["a", "b", "c"], None, (0,), 0)
    named = _describe(_Part(0, (0, 1, 2), job))
    assert named == f"{sources[0].path} … {sources[2].path} (the largest: {sources[1].path}, 3000x40)"
