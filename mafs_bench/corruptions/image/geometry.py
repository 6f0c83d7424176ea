"""Geometry: rotation and perspective.

Where the image ends there is mid-grey: mirroring would add objects and so change what captions count.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_NOTHING = (127, 127, 127)
_Corners = npt.NDArray[np.float32]


def _sample_turn(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> int:
    """Draw the sense of the turn: 1 counter-clockwise, -1 clockwise."""
    return 1 if rng.random() < 0.5 else -1


def _apply_rotation(image: Image, sense: int, params: Params) -> Image:
    height, width, _ = image.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, sense * params["degrees"], 1.0)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=_NOTHING)


def _sample_corners(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> _Corners:
    """Draw how far each corner moves inwards, right and down, as shares of half the frame in [0.3, 1): (4, 2)."""
    return rng.uniform(0.3, 1, (4, 2)).astype(np.float32)


def _apply_perspective(image: Image, inwards: _Corners, params: Params) -> Image:
    """Perspective view: the four corners move inside the frame by up to ``strength`` of half a side."""
    height, width, _ = image.shape
    far = np.array([width - 1, height - 1], dtype=np.float32)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
    moved = corners + (1 - 2 * corners) * inwards * np.float32(params["strength"] / 2)
    matrix = cv2.getPerspectiveTransform(corners * far, moved * far)
    return cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=_NOTHING)


rotation = ImageOperator(_sample_turn, _apply_rotation, {"degrees": (0.0, 180.0)})
perspective = ImageOperator(_sample_corners, _apply_perspective, {"strength": (0.0, 0.9)})
