"""Check that every condition of a submission has the board's rows, with a score wherever the corruption applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mafs_bench.leaderboard.findings import Finding, compare_sets, error, some
from mafs_bench.leaderboard.pins import Pins
from mafs_bench.leaderboard.schemas import Board
from mafs_bench.tasks import get_task

_WHERE = "scores.parquet"


def check_rows(
    labels: Sequence[str],
    frames: Mapping[str, pd.DataFrame],
    board: Board,
    pins: Pins,
    keeps_extra: bool = False,
) -> list[Finding]:
    """Compare every condition with the board's rows; rows of ``frames`` are in the order of their keys.

    labels: all conditions of the file. keeps_extra: whether scores where a corruption cannot apply are allowed.
    """
    findings = compare_sets(_WHERE, "condition", labels, board.conditions)
    fixed = [column.name for column in get_task(board.task).columns if column.fixed]
    keys = get_task(board.task).row_keys
    known = {label: frames[label] for label in board.conditions if label in frames}
    if not known:
        return findings
    whole: list[str] = []
    for label, frame in known.items():
        as_before = bool(whole) and _same_codes(frame, known[whole[0]], fixed)
        if as_before or _same_as(frame, pins.fixed, fixed):
            whole.append(label)
        else:
            findings += _differences(label, frame, pins.fixed, fixed, keys)
    return findings + _check_scored({label: known[label] for label in whole}, pins, keeps_extra)


def mask(frames: Mapping[str, pd.DataFrame], pins: Pins) -> dict[str, pd.DataFrame]:
    """The frames, unscored wherever the board says that the corruption does not apply."""
    return {
        label: frame.assign(score=frame["score"].mask(pins.lacks(label)))
        if label in pins.inapplicable
        else frame
        for label, frame in frames.items()
    }


def _check_scored(frames: Mapping[str, pd.DataFrame], pins: Pins, keeps_extra: bool) -> list[Finding]:
    """Superfluous and missing scores: one finding each, over all conditions."""
    missing = {
        label: frame["score"].isna().to_numpy() & ~pins.lacks(label) for label, frame in frames.items()
    }
    extra = {label: frame["score"].notna().to_numpy() & pins.lacks(label) for label, frame in frames.items()}
    findings = _scored_finding(missing, "null where the board requires one")
    return (
        findings
        if keeps_extra
        else findings + _scored_finding(extra, "given where the corruption cannot apply")
    )


def _scored_finding(wrong: Mapping[str, npt.NDArray[np.bool_]], what: str) -> list[Finding]:
    labels = [label for label, rows in wrong.items() if rows.any()]
    count = sum(int(np.count_nonzero(wrong[label])) for label in labels)
    return [error(_WHERE, f"{count} scores are {what}: {some(labels)}")] if labels else []


def _same_codes(frame: pd.DataFrame, other: pd.DataFrame, fixed: Sequence[str]) -> bool:
    """Whether the fixed columns are equal; the categories of all frames come from one table."""
    return len(frame) == len(other) and all(np.array_equal(_codes(frame[n]), _codes(other[n])) for n in fixed)


def _codes(column: pd.Series) -> np.ndarray:
    return (column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column).to_numpy()


def _same_as(frame: pd.DataFrame, rows: pd.DataFrame, fixed: Sequence[str]) -> bool:
    return len(frame) == len(rows) and all(
        np.array_equal(_values(frame[name]), _values(rows[name])) for name in fixed
    )


def _values(column: pd.Series) -> np.ndarray:
    return (
        column.to_numpy()
        if pd.api.types.is_float_dtype(column)
        else column.astype(str).to_numpy(dtype=object)
    )


def _differences(
    label: str, frame: pd.DataFrame, rows: pd.DataFrame, fixed: Sequence[str], keys: Sequence[str]
) -> list[Finding]:
    """How the rows of a condition differ from those of the board."""
    where, own, wanted = f"{_WHERE} {label}", _index(frame, keys), _index(rows, keys)
    findings = []
    twice = own[own.duplicated()].unique()
    missing, extra = wanted.difference(own), own.difference(wanted)
    if len(twice):
        findings.append(error(where, f"duplicate sample ids: {some(twice)}"))
    if len(missing):
        findings.append(error(where, f"sample ids missing: {some(missing)}"))
    if len(extra):
        findings.append(error(where, f"sample ids that are not on the board: {some(extra)}"))
    return findings or [error(where, f"{' or '.join(fixed[1:])} differs from the board")]


def _index(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Index:
    return pd.Index(
        list(zip(*(frame[key].astype(str) for key in keys), strict=True))
        if len(keys) > 1
        else frame[keys[0]].astype(str)
    )
