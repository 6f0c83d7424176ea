"""Whether every condition of a submission holds the board's samples, once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mafs_bench.leaderboard.findings import Finding, compare_sets, error, some
from mafs_bench.leaderboard.records import columns_of, ids_digest, row_keys
from mafs_bench.leaderboard.schemas import Board

_WHERE = "scores.parquet"


def check_rows(frames: Mapping[str, pd.DataFrame], board: Board) -> list[Finding]:
    """Compare all conditions with clean, and clean with the board; clean must be scored."""
    findings = compare_sets(_WHERE, "condition", list(frames), board.conditions)
    if "clean" not in frames:
        return findings
    clean = frames["clean"]
    fixed = [column.name for column in columns_of(board.task) if column.fixed]
    keys = row_keys(board.task)
    findings += _check_once("clean", clean, keys)
    for label, frame in frames.items():
        if not _same(frame, clean, fixed):
            findings += _differences(label, frame, clean, fixed, keys)
    where = f"{_WHERE} clean"
    if board.n and len(clean) != board.n:
        findings.append(error(where, f"has {len(clean)} rows; the board has {board.n}"))
    if board.ids_digest and ids_digest(clean, board.task) != board.ids_digest:
        findings.append(error(where, "sample ids, groups or labels are not those of the board"))
    unscored = int(clean["score"].isna().sum())
    if unscored:
        findings.append(error(where, f"{unscored} samples are unscored; allowed: 0"))
    return findings


def _same(frame: pd.DataFrame, clean: pd.DataFrame, fixed: Sequence[str]) -> bool:
    """Whether the fixed columns are equal: the categories of all frames are those of one table."""
    return len(frame) == len(clean) and all(np.array_equal(_codes(frame[n]), _codes(clean[n])) for n in fixed)


def _codes(column: pd.Series) -> np.ndarray:
    return (column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column).to_numpy()


def _differences(
    label: str, frame: pd.DataFrame, clean: pd.DataFrame, fixed: Sequence[str], keys: Sequence[str]
) -> list[Finding]:
    """Say how a condition's rows differ from those of clean."""
    where, own, wanted = f"{_WHERE} {label}", _index(frame, keys), _index(clean, keys)
    findings = _check_once(label, frame, keys)
    missing, extra = wanted.difference(own), own.difference(wanted)
    if len(missing):
        findings.append(error(where, f"sample ids missing: {some(missing)}"))
    if len(extra):
        findings.append(error(where, f"sample ids that clean does not have: {some(extra)}"))
    return findings or [error(where, f"{' or '.join(fixed[1:])} differs from clean")]


def _check_once(label: str, frame: pd.DataFrame, keys: Sequence[str]) -> list[Finding]:
    own = _index(frame, keys)
    twice = own[own.duplicated()].unique()
    return [error(f"{_WHERE} {label}", f"sample ids there twice: {some(twice)}")] if len(twice) else []


def _index(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Index:
    return pd.Index(
        list(zip(*(frame[key].astype(str) for key in keys), strict=True))
        if len(keys) > 1
        else frame[keys[0]].astype(str)
    )
