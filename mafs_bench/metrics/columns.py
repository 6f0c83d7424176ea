"""The usual shapes of a metric: means over scored rows, as sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Columns = Callable[[pd.DataFrame], Array]


def columns_of(*names: str) -> Columns:
    """These columns as they are (n, k); all NaN where the frame lacks one: the metric is not available."""

    def columns(frame: pd.DataFrame) -> Array:
        if not set(names) <= set(frame.columns):
            return np.full((len(frame), len(names)), np.nan)
        return frame[list(names)].to_numpy(dtype=np.float64)

    return columns


def mean_of(name: str) -> Columns:
    """Columns (value, 1), whose ratio of sums is the mean over scored rows."""
    read = columns_of(name)
    return lambda frame: read(frame) * [1.0, 0.0] + [0.0, 1.0]


def ratio(sums: Array) -> Array:
    """First sum over the second, (..., 2) -> (...); NaN where nothing was scored."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def run_starts(ordered: Array) -> npt.NDArray[np.int64]:
    """Where each run of equal values begins in ``ordered`` (n,), and n: int64 (k + 1,)."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.concatenate([[0], changes, [len(ordered)]]).astype(np.int64)
