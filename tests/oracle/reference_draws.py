"""Hand our draws to the reference: a random source a corruption that answers the library's calls with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import stats

from mafs_bench.types import Params


class Source:
    """Answers each kind of call from a queue of values in [0, 1), unit normals or whole numbers."""

    def __init__(
        self,
        *,
        normals: Sequence[Any] = (),
        uniforms: Sequence[Any] = (),
        integers: Iterator[Any] | None = None,
        quantiles: Any = None,
    ) -> None:
        self._normals = iter(normals)
        self._uniforms = iter(uniforms)
        self._integers = integers
        self._quantiles = quantiles

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        values = np.asarray(next(self._normals), dtype=np.float64)
        assert values.shape == tuple(size)
        return loc + scale * values

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        values = np.asarray(next(self._uniforms), dtype=np.float64)
        assert size is None or values.shape == tuple(size)
        return low + (high - low) * values

    def random(self, size: Any = None) -> Any:
        return self.uniform(size=size)

    def poisson(self, lam: Any = 1.0, size: Any = None) -> Any:
        """The smallest count whose distribution function, scipy's, reaches the quantile."""
        counts = np.zeros(lam.shape)
        for rate in np.unique(lam):
            here = lam == rate
            steps = stats.poisson.cdf(np.arange(200), rate)
            counts[here] = np.searchsorted(steps, self._quantiles[here])
        return counts

    def randint(self, low: Any, high: Any = None, size: Any = None) -> Any:
        low, high = (0, low) if high is None else (low, high)
        value = next(self._integers)
        return int(value * high) if isinstance(value, float) else value


def _normals(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    return Source(normals=[draws / 255.0])


def _shot(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    return Source(quantiles=(draws.reshape(*size, 3) + 0.5) / 2.0**31)


def _impulse(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    bits, impulses = draws
    return Source(uniforms=[bits / 2.0**32, np.where(impulses == 255, 0.25, 0.75)])


def _glass(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    reach = params["reach"]
    moves = np.floor(draws / 2.0**16 * 2 * reach).astype(np.int64) - reach
    visited = moves[:, size[0] - reach : reach : -1, size[1] - reach : reach : -1]
    return Source(integers=iter(visited.reshape(-1, 2)))


def _motion(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    return Source(uniforms=[(draws + 45) / 90])


def _snow(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    return Source(normals=[draws.flakes], uniforms=[(draws.angle + 135) / 90])


def _frost(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    return Source(integers=iter([draws.texture, *draws.place]))


def _fog(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    parts = [part for noise in draws for part in (noise if noise.ndim == 3 else [noise])]
    return Source(uniforms=[(part.astype(np.float64) + 1) / 2 for part in parts])


def _elastic(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    """The draws hold filtered fields: the raw ones are drawn again from the same generator."""
    return Source(uniforms=[rng.random(size, dtype=np.float32) for _ in range(2)])


def _spatter(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    return Source(normals=[draws])


def _nothing(draws: Any, rng: Any, size: Any, params: Params) -> Source:
    assert draws is None
    return Source()


SOURCES: dict[str, Callable[[Any, Any, Any, Params], Source]] = {
    "gaussian_noise": _normals, "speckle_noise": _normals, "shot_noise": _shot, "impulse_noise": _impulse,
    "glass_blur": _glass, "motion_blur": _motion, "snow": _snow, "frost": _frost, "fog": _fog,
    "elastic_transform": _elastic, "spatter": _spatter,
}  # fmt: skip


def source_for(operator: str, draws: Any, rng: np.random.Generator, size: Any, params: Params) -> Source:
    return SOURCES.get(operator, _nothing)(draws, rng, size, params)
