"""Running out of memory over one image is that image's fault, in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mafs_bench.errors import DataError

_OPENCV_NO_MEMORY = -4
"""OpenCV's ``StsNoMem``."""
_TORCH_NO_MEMORY = "DefaultCPUAllocator"
"""In the message of the ``RuntimeError`` that torch raises on a CPU."""


@contextmanager
def naming_memory(what: str) -> Iterator[None]:
    """Turn what numpy, Pillow, OpenCV and torch raise when memory runs out into ``DataError`` that names ``what``."""
    try:
        yield
    except Exception as error:
        if not lacks_memory(error):
            raise
        raise DataError(
            f"{what}: there is not enough memory; take fewer --workers, or a smaller image (--max-pixels N refuses "
            "larger ones)"
        ) from error


def lacks_memory(error: Exception) -> bool:
    """Whether an exception says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    cv2 = sys.modules.get("cv2")
    if cv2 is not None and isinstance(error, cv2.error):
        return bool(error.code == _OPENCV_NO_MEMORY)
    return isinstance(error, RuntimeError) and _TORCH_NO_MEMORY in str(error)
