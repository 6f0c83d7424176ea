"""Image files that corruptions read: textures and styles."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mafs_bench.errors import DataError
from mafs_bench.types import Image


def read_colour(path: Path, what: str) -> Image:
    """Decode a file with OpenCV to RGB, uint8 (H, W, 3). Raises ``DataError`` calling the file ``what``.

    The bytes are read here: on Windows ``cv2.imread`` cannot open a path that is not ASCII.
    """
    try:
        raw = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        decoded = cv2.imdecode(raw, cv2.IMREAD_COLOR) if len(raw) else None
    except OSError as error:
        raise DataError(f"{path}: {what} cannot be read: {error.strerror}") from error
    if decoded is None:
        raise DataError(f"{path}: {what} cannot be read")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
