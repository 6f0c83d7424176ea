"""What is generated from a leaderboard folder: BOARD.md and board.csv per board, an index and a static site."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.boards import board_names, load_board
from mafs_bench.leaderboard.markdown import board_markdown, index_markdown
from mafs_bench.leaderboard.site_pages import site_pages
from mafs_bench.leaderboard.standings import Standings, standings
from mafs_bench.report.html import rounded, triple


def generate(root: Path) -> dict[Path, str]:
    """The text of every generated file. Raises ``SubmissionError`` for an invalid submission."""
    boards = [standings(load_board(root, name)) for name in board_names(root)]
    files = {root / "README.md": index_markdown(boards)}
    files |= {root / "site" / name: text for name, text in site_pages(boards).items()}
    for board in boards:
        files[board.folder.path / "BOARD.md"] = board_markdown(board)
        files[board.folder.path / "board.csv"] = _csv(board)
    return files


def build(root: Path) -> list[Path]:
    """Write the generated files; returns those that changed."""
    changed = outdated(root)
    for path, text in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(changed)


def outdated(root: Path) -> dict[Path, str]:
    """The generated files that differ from those on disk, with their new text."""
    return {
        path: text
        for path, text in generate(root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def check(root: Path) -> None:
    """Raise ``SubmissionError`` if a generated file differs from the records."""
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
