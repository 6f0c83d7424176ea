"""Compiled loops over resampled weights (r, n): one running sum per resample over rows in a fixed order.

``starts`` (k + 1,) contains the start of each run of equal values in that order, and the end of the last one.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)


@_compiled
def medians(weights: Array, order: Positions, ordered: Array, out: Array) -> None:
    """Weighted medians (r,) of ``ordered`` (n,): the mean of the two middle values if tied, NaN for zero weight."""
    for r in range(weights.shape[0]):
        total = 0.0
        for j in range(order.size):
            total += weights[r, j]
        running, lower = 0.0, np.nan
        out[r] = np.nan
        for j in range(order.size):
            running += weights[r, order[j]]
            if running > 0 and 2 * running >= total and np.isnan(lower):
                lower = ordered[j]
            if 2 * running > total:
                out[r] = (lower + ordered[j]) / 2
                break


@_compiled
def rank_sums(
    weights: Array, order: Positions, starts: Positions, matched: npt.NDArray[np.bool_], out: Array
) -> None:
    """Weighted AUROC (r,): scores increase along ``order``; ``matched`` (n,) marks the positive rows."""
    for r in range(weights.shape[0]):
        won, positive, negative = 0.0, 0.0, 0.0
        for g in range(starts.size - 1):
            up, down = 0.0, 0.0
            for j in range(starts[g], starts[g + 1]):
                row = order[j]
                if matched[row]:
                    up += weights[r, row]
                else:
                    down += weights[r, row]
            won += up * (negative + down / 2)
            positive += up
            negative += down
        pairs = positive * negative
        out[r] = won / pairs if pairs > 0 else np.nan


@_compiled
def mean_risks(weights: Array, order: Positions, starts: Positions, loss: Array, out: Array) -> None:
    """Mean loss over all coverages (r,): confidence decreases along ``order``; ties enter together."""
    for r in range(weights.shape[0]):
        covered, lost, area = 0.0, 0.0, 0.0
        for g in range(starts.size - 1):
            own = 0.0
            for j in range(starts[g], starts[g + 1]):
                row = order[j]
                own += weights[r, row]
                lost += weights[r, row] * loss[row]
            covered += own
            if covered > 0:
                area += lost / covered * own
        out[r] = area / covered if covered > 0 else np.nan
