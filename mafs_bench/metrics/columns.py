"""The usual form of a metric: a mean over scored rows, from sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Columns = Callable[[pd.DataFrame], Array]


def columns_of(*names: str) -> Columns:
    """Read these columns (n, k); all NaN (metric not available) if the frame lacks one of them."""

    def columns(frame: pd.DataFrame) -> Array:
        if not set(names) <= set(frame.columns):
            return np.full((len(frame), len(names)), np.nan)
        return frame[list(names)].to_numpy(dtype=np.float64)

    return columns


def mean_of(name: str) -> Columns:
    """Columns (value, 1): the ratio of their sums is the mean over scored rows."""
    read = columns_of(name)
    return lambda frame: read(frame) * [1.0, 0.0] + [0.0, 1.0]


def ratio(sums: Array) -> Array:
    """The first sum divided by the second, (..., 2) -> (...); NaN if nothing was scored."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def run_starts(ordered: Array) -> npt.NDArray[np.int64]:
    """The start of each run of equal values in ``ordered`` (n,), followed by n: int64 (k + 1,)."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.concatenate([[0], changes, [len(ordered)]]).astype(np.int64)
