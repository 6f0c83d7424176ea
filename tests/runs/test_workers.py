"""Worker processes start whatever the parent did before."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import cv2
import numpy as np
from mafs_bench.runs.workers import ordered

picture = np.random.default_rng(0).random((1500, 1500), dtype=np.float32)
cv2.setNumThreads(2)
for _ in range(3):
    cv2.GaussianBlur(picture, (31, 31), 5)  # OpenCV's own threads are running now

def make(constant, task):
    return constant + task

print(list(ordered(make, range(6), 10, 2, str)))
"""


def test_workers_start_after_opencv_used_threads() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[10, 11, 12, 13, 14, 15]"
