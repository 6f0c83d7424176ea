"""A bundle that a test may spoil, and the good one that it starts from."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mafs_bench.leaderboard.bundle import write_bundle
from mafs_bench.leaderboard.submission import make_bundle, manifest_json
from mafs_bench.leaderboard.validation import Report, validate
from tests.support.fake_board import CARD, open_board
from tests.support.fake_run import write_run


def good_bundle(folder: Path) -> dict[str, bytes]:
    """The files of a bundle without a defect."""
    (folder / "card.toml").write_text(CARD)
    run = write_run(folder / "run")
    return make_bundle(run, open_board(folder / "boards"), folder / "card.toml")


def empty_board(root: Path) -> Path:
    """A root with an open board, without submissions."""
    open_board(root)
    return root


@dataclass
class Draft:
    """A bundle that a test may spoil; the manifest is made anew unless it is spoilt itself."""

    files: dict[str, bytes]
    rehash: bool = True
    entries: list[tuple[zipfile.ZipInfo | str, bytes]] = field(default_factory=list)

    def json(self, name: str, change: Callable[[Any], Any]) -> None:
        content = json.loads(self.files[name])
        made = change(content)
        self.files[name] = json.dumps(content if made is None else made).encode()

    def text(self, name: str, old: str, new: str) -> None:
        assert old in self.files[name].decode()
        self.files[name] = self.files[name].decode().replace(old, new, 1).encode()

    def table(self, change: Callable[[pa.Table], pa.Table]) -> None:
        table = change(pq.ParquetFile(io.BytesIO(self.files["scores.parquet"])).read())
        sink = io.BytesIO()
        pq.write_table(table, sink)
        self.files["scores.parquet"] = sink.getvalue()

    def frame(self, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
        def through(table: pa.Table) -> pa.Table:
            frame = table.to_pandas()
            made = change(frame)
            result = frame if made is None else made
            return pa.Table.from_pandas(result, schema=table.schema, preserve_index=False)

        self.table(through)

    def write(self, out: Path) -> None:
        files = dict(self.files)
        if self.rehash and "manifest.json" in files:
            files["manifest.json"] = manifest_json("scenes-retrieval", files)
        write_bundle(files, out)
        with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, raw in self.entries:
                archive.writestr(name, raw)


Spoil = Callable[[Draft], None]


def check_draft(draft: Draft, boards: Path, folder: Path) -> Report:
    """Write a draft and validate it."""
    draft.write(folder / "bundle.zip")
    return validate(folder / "bundle.zip", boards)


def errors_of(report: Report) -> list[str]:
    """The lines that refuse a bundle."""
    return [str(f) for f in report.findings if f.level == "error"]
