"""Spatter: drops of water or splashes of mud on the lens (after Hendrycks & Dietterich, arXiv 1903.12261).

The relief of the water is redefined: light from one side on the drops' own thickness, where the release traces
outlines (Canny) and embosses the distance to them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.exact.blur import size_of
from mafs_bench.corruptions.exact.draws import grid_size, spread_field, uint16
from mafs_bench.corruptions.exact.filters import Plane, compiled, separable
from mafs_bench.corruptions.exact.tables import NORMAL_BITS, fixed, gaussian, normals
from mafs_bench.types import Image, Params

_Size = tuple[int, int]
_WATER = np.array([175, 238, 238], dtype=np.int32)
_MUD = np.array([63, 42, 20], dtype=np.int32)
_DENSE = fixed(0.8, 10)


def _sample_spatter(rng: np.random.Generator, size: _Size, levels: Sequence[Params]) -> Plane:
    """Normal deviates in 2**-11 at the grid's size, int32."""
    rows, columns = grid_size(size)
    return normals()[uint16(rng, rows * columns)].reshape(rows, columns)


def _apply_spatter(image: Image, deviates: Plane, params: Params) -> Image:
    kernel = gaussian(params["sigma"], 4.0)
    smooth = separable(deviates, kernel, kernel, bits=6).astype(np.int64)  # in 2**-17
    liquid = (smooth * fixed(params["scale"], 10) >> 10) + fixed(params["mean"], NORMAL_BITS + 6)
    liquid = np.where(liquid < fixed(params["threshold"], NORMAL_BITS + 6), 0, liquid) >> 7  # in 2**-10
    shade, colour = (_mud if params["mud"] else _water)(liquid.astype(np.int32), params["strength"])
    out = np.empty_like(image)
    _cover(image, spread_field(shade, size_of(image)), colour, bool(params["mud"]), out)
    return out


def _mud(liquid: Plane, softness: float) -> tuple[Plane, Plane]:
    """Brown covers where the softened drops are dense; the cover in 2**-10."""
    kernel = gaussian(softness, 4.0)
    cover = separable((liquid > 0).astype(np.int32) << 10, kernel, kernel)
    return np.where(cover < _DENSE, 0, cover), _MUD


def _water(liquid: Plane, strength: float) -> tuple[Plane, Plane]:
    """Pale turquoise, brighter where a drop faces the light; the brightest has ``strength``, in 2**-10."""
    padded = np.pad(liquid, 1, mode="edge")
    slope = padded[2:, 2:] - padded[:-2, :-2]
    shade = np.where(liquid > 0, np.clip(300 + 4 * slope, 0, 1023), 0)
    return shade * fixed(strength, 10) >> 10, _WATER


@compiled
def _cover(image, shade, colour, hides, out):  # type: ignore[no-untyped-def]
    """Add ``shade`` of a colour, after that share of the image is taken away where the colour ``hides``."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            part = shade[y, x]
            left = 1024 - part if hides else 1024
            for c in range(3):
                value = np.int32(image[y, x, c]) * left + colour[c] * part
                out[y, x, c] = min(value >> 10, 255)


spatter = ImageOperator(
    _sample_spatter, _apply_spatter,
    {
        "mean": (-1.0, 1.0), "scale": (0.0, 5.0), "sigma": (0.1, 50.0), "threshold": (0.0, 1.0),
        "strength": (0.1, 10.0), "mud": (False, True),
    },
)  # fmt: skip
