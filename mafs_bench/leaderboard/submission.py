"""A submission: how it is made from a results folder, and how it is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import BoardFolder
from mafs_bench.leaderboard.bundle import CARD, MANIFEST, RESULTS, SCORES, SPEC, Files
from mafs_bench.leaderboard.records import encode
from mafs_bench.leaderboard.schemas import Card, Cell, Spec, from_toml
from mafs_bench.runs.store import read_run, results_json
from mafs_bench.types import CellResult


@dataclass(frozen=True, eq=False)
class Submission:
    """A bundle that was read: ``frames`` by condition. manifest: SHA-256 of its ``manifest.json``."""

    name: str
    board: str
    manifest: str
    spec: Spec
    card: Card
    cells: tuple[Cell, ...]
    frames: Mapping[str, pd.DataFrame]


def make_bundle(run: Path, board: BoardFolder, card: Path) -> Files:
    """Make the files of a bundle from a run.

    Raises ``StoreError`` for a damaged run, ``SubmissionError`` for a board that takes no entries, a card that does
    not fit or conditions that the run does not have.
    """
    if (closed := board.closed()) is not None:
        raise SubmissionError(closed)
    stored = read_run(run)
    cells = {cell.label: cell for cell in stored.results if cell.task == board.board.task}
    absent = [label for label in board.board.conditions if label not in cells]
    if absent:
        raise SubmissionError(
            f"{run} has no {board.board.task} under {absent[0]}"
            + (f" and {len(absent) - 1} more conditions" if absent[1:] else "")
            + f"; {board.name} asks for {len(board.board.conditions)}"
        )
    wanted = {label: _recorded(cells[label]) for label in board.board.conditions}
    frames = {label: stored.frame(cell) for label, cell in wanted.items()}
    files = {
        SPEC: replace(stored.spec, dataset_path="", data_root="").to_json().encode(),
        RESULTS: results_json(list(wanted.values())).encode(),
        CARD: _read_card(card),
        SCORES: encode(frames, board.board.task),
    }
    return {**files, MANIFEST: manifest_json(board.name, files)}


def manifest_json(board: str, files: Mapping[str, bytes]) -> bytes:
    """List the SHA-256 of every file but the manifest itself."""
    digests = {name: sha256(raw) for name, raw in sorted(files.items()) if name != MANIFEST}
    return (json.dumps({"format": 1, "board": board, "files": digests}, indent=1) + "\n").encode()


def sha256(raw: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def slug(card: Card) -> str:
    """The folder name of a submission, from its card."""
    return re.sub(r"[^a-z0-9.]+", "-", card.name.lower()).strip("-.") or "model"


_NOT_RECORDED = frozenset(
    ["meteor", "spice", "clip_score", "ref_clip_score"]
    + [f"{direction}_{name}" for direction in ("t2i", "i2t") for name in ("map_at_r", "r_precision")]
)
"""Metrics that need Java, a judge or human judgements: ``scores.parquet`` does not contain their statistics."""


def _recorded(cell: CellResult) -> CellResult:
    """Leave out the metrics that cannot be recomputed from the bundle."""
    kept = {name: estimate for name, estimate in cell.metrics.items() if name not in _NOT_RECORDED}
    return replace(cell, metrics=kept)


def _read_card(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        from_toml(Card, raw)
    except OSError as problem:
        raise SubmissionError(f"{path}: {problem.strerror}") from problem
    except ValueError as problem:
        keys = ", ".join(Card.model_fields)
        raise SubmissionError(
            f"{path}: {problem}; a card has {keys} (the last three may be left out)"
        ) from problem
    return raw
