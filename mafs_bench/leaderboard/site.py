"""What is generated from a leaderboard folder: BOARD.md and board.csv a board, an index and a static site."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import board_names, load_board
from mafs_bench.leaderboard.markdown import (
    board_command,
    board_markdown,
    facts,
    how_to_submit,
    index_markdown,
)
from mafs_bench.leaderboard.standings import NO_CELL, Entry, Standings, standings
from mafs_bench.report.html import render, rounded, script_data, triple


def generate(root: Path) -> dict[Path, str]:
    """Make the text of every generated file. Raises ``SubmissionError`` for an invalid submission."""
    made = [standings(load_board(root, name)) for name in board_names(root)]
    files = {root / "README.md": index_markdown(made), root / "site" / "index.html": _site(made)}
    for one in made:
        files[one.folder.path / "BOARD.md"] = board_markdown(one)
        files[one.folder.path / "board.csv"] = _csv(one)
    return files


def build(root: Path) -> list[Path]:
    """Write the generated files; returns those that changed."""
    changed = outdated(root)
    for path, text in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(changed)


def outdated(root: Path) -> dict[Path, str]:
    """Return the generated files that differ from what is on disk, with what they should hold."""
    return {
        path: text
        for path, text in generate(root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def check(root: Path) -> None:
    """Raise ``SubmissionError`` where a generated file differs from the records."""
    differing = [str(path.relative_to(root)) for path in outdated(root)]
    if differing:
        raise SubmissionError(
            f"{', '.join(differing)} differ from the records; run mafs-bench leaderboard build and commit"
        )


_CSV_COLUMNS = (
    *("family", "model", "status", "rank", "rank_low", "rank_high", "group"),
    *(f"{measure}{end}" for measure in ("corrupted", "clean", "mmi") for end in ("", "_low", "_high")),
    *("worst", "worst_condition", "parameters", "licence", "link", "record"),
)


def _csv(one: Standings) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for family in one.families:
        for entry in one.ordered(family):
            own = entry.standings[family]
            place = own.place
            writer.writerow(
                [
                    *(family, entry.card.name, entry.status, place.rank, place.low, place.high, place.group),
                    *(*triple(own.corrupted), *triple(entry.cells["clean"]), *triple(own.mmi)),
                    *(rounded(own.worst_value), own.worst, entry.card.parameters, entry.card.licence),
                    *(entry.card.link, f"submissions/{entry.name}"),
                ]
            )
    return sink.getvalue()


def _site(made: Sequence[Standings]) -> str:
    boards = [_board_data(one) for one in sorted(made, key=lambda one: (not one.entries, one.folder.name))]
    return render("site.html.j2", boards=boards, data=script_data(boards))


def _board_data(one: Standings) -> dict[str, Any]:
    board = one.folder.board
    return {
        "name": one.folder.name,
        "title": board.title,
        "about": board.about,
        "facts": facts(one),
        "how": how_to_submit(one.folder.name, board),
        "metric": board.metric,
        "severities": list(board.severities),
        "families": {family: list(names) for family, names in one.families.items()},
        "entries": [_entry_data(entry, one) for entry in one.ordered()],
    }


def _entry_data(entry: Entry, one: Standings) -> dict[str, Any]:
    board, card = one.folder.board, entry.card
    return {
        **card.model_dump(),
        "slug": entry.name,
        "weights": entry.spec.weights,
        "notes": list(entry.spec.notes),
        "status": entry.status,
        "flags": list(entry.flags),
        "packages": dict(entry.spec.packages),
        "record": f"../{one.folder.name}/submissions/{entry.name}",
        "command": board_command(entry.spec.model, board),
        "clean": triple(entry.cells["clean"]),
        "curves": {
            corruption: [triple(entry.cells.get(f"{corruption}-{s}", NO_CELL)) for s in board.severities]
            for corruption in board.corruptions
        },
        "standings": {
            family: {
                "order": [other.name for other in one.ordered(family)].index(entry.name),
                "rank": own.place.rank,
                "low": own.place.low,
                "high": own.place.high,
                "group": own.place.group,
                "corrupted": triple(own.corrupted),
                "mmi": triple(own.mmi),
                "worst": own.worst,
                "worst_value": rounded(own.worst_value),
                "by_severity": [triple(estimate) for estimate in own.by_severity],
            }
            for family, own in entry.standings.items()
        },
    }
