"""What the pages of the site show of a board, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mafs_bench.corruptions import suite as suites
from mafs_bench.leaderboard.markdown import board_command, facts, how_to_submit
from mafs_bench.leaderboard.standings import ALL, NO_CELL, Entry, Standings
from mafs_bench.report.html import rounded, triple
from mafs_bench.types import Estimate

METRIC_NAMES = {
    "t2i_r1": "R@1 text-to-image",
    "i2t_r1": "R@1 image-to-text",
    "r1": "R@1",
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "cider_d": "CIDEr-D",
}
"""What readers call the metrics that boards rank by."""


@dataclass(frozen=True)
class FamilyColumn:
    """One family of corruptions: its name, how many corruptions it has, and what they change."""

    name: str
    count: int
    modality: str
    meaning_changing: bool


def metric_name(metric: str) -> str:
    """The name of a metric for readers."""
    return METRIC_NAMES.get(metric, metric)


def score(value: float | None) -> str:
    """A score with three decimals."""
    return "n/a" if value is None else f"{value:.3f}"


def short_score(value: float | None) -> str:
    """A score with two decimals and no leading zero, for a narrow cell."""
    return "n/a" if value is None else f"{value:.2f}".replace("0.", ".", 1)


def interval(estimate: Estimate) -> str:
    """``0.721 [0.69, 0.75]``."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return score(estimate.value)
    return f"{estimate.value:.3f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def family_columns(board: Standings) -> list[FamilyColumn]:
    """The families of a board, by what they change: image, text, pair; those that change the meaning last."""
    known = suites.load(board.folder.board.suite).corruptions
    found = []
    for family, names in board.families.items():
        if family == ALL:
            continue
        blocks = [known[name] for name in names if name in known]
        changing = bool(blocks) and all(block.meaning_changing for block in blocks)
        modality = blocks[0].modality if blocks else "pair"
        found.append(FamilyColumn(family, len(names), modality, changing))
    order = ["image", "text", "pair"]
    return sorted(found, key=lambda column: (column.meaning_changing, order.index(column.modality)))


def open_command(board: str) -> str:
    """The command that pins the rows of a board."""
    return f"mafs-bench leaderboard open {board} --data-root DIR"


def board_view(board: Standings, page_of: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the page of a board shows; ``page_of`` maps a model to its page."""
    own, columns = board.folder.board, family_columns(board)
    top = max((_highest(entry) for entry in board.entries), default=1.0)
    scale = 1.0 if top <= 1 else top
    return {
        "name": board.folder.name,
        "title": own.title,
        "about": own.about,
        "facts": facts(board),
        "archive": own.archive,
        "defined": not board.entries,
        "metric": metric_name(own.metric),
        "columns": columns,
        "groups": _grouped(columns),
        "scale": scale,
        "ticks": [scale * k / 5 for k in range(6)],
        "answers": answers(board),
        "rows": [_row(entry, columns, scale, page_of) for entry in board.ordered()],
        "how": how_to_submit(board.folder.name, own),
        "open_command": open_command(board.folder.name),
    }


def _highest(entry: Entry) -> float:
    values = [entry.standings[ALL].corrupted.high, entry.cells["clean"].high, entry.cells["clean"].value]
    return max((value for value in values if value is not None), default=1.0)


def _grouped(columns: Sequence[FamilyColumn]) -> list[tuple[str, int]]:
    """Headings over the family columns with how many each spans."""
    spans: dict[str, int] = {}
    for column in columns:
        name = "meaning" if column.meaning_changing else column.modality
        spans[name] = spans.get(name, 0) + 1
    return list(spans.items())


def _row(
    entry: Entry, columns: Sequence[FamilyColumn], scale: float, page_of: Mapping[str, str]
) -> dict[str, Any]:
    standing, clean = entry.standings[ALL], entry.cells["clean"]
    place = standing.place
    return {
        "name": entry.card.name,
        "slug": entry.name,
        "page": page_of[entry.card.name],
        "status": entry.status,
        "rank": "–" if place.rank is None else str(place.rank),
        "range": "" if place.low is None or place.low == place.high else f"{place.low}–{place.high}",
        "group": place.group,
        "corrupted": score(standing.corrupted.value),
        "corrupted_interval": interval(standing.corrupted),
        "clean": score(clean.value),
        "clean_interval": interval(clean),
        "lost": _loss(entry, standing.mmi.value),
        "forest": forest(standing.corrupted, clean, scale),
        "sort": {
            "rank": standing.corrupted.value,
            "corrupted": standing.corrupted.value,
            "clean": clean.value,
            "lost": standing.mmi.value,
        },
        "cells": [_cell(entry, column) for column in columns],
    }


def per_cent(share: float | None) -> str:
    """A share that is lost, as ``−19.9 %``; a gain as ``+1.0 %``."""
    if share is None:
        return "n/a"
    return f"{'−' if share >= 0 else '+'}{abs(100 * share):.1f} %"


def forest(corrupted: Estimate, clean: Estimate, scale: float) -> dict[str, float] | None:
    """Where the marks of a forest plot are, in per cent of its width; None without a score."""
    if corrupted.value is None:
        return None
    low = corrupted.value if corrupted.low is None else corrupted.low
    high = corrupted.value if corrupted.high is None else corrupted.high
    found = {"value": corrupted.value, "low": low, "high": high, "clean": clean.value or corrupted.value}
    return {name: round(100 * max(value, 0) / scale, 2) for name, value in found.items()}


def _cell(entry: Entry, column: FamilyColumn) -> dict[str, Any]:
    own = entry.standings[column.name]
    lost = None if entry.floor else own.mmi.value
    return {
        "family": column.name,
        "value": short_score(own.corrupted.value),
        "lost": _loss(entry, lost),
        "heat": 0 if lost is None else round(min(max(100 * lost, 0), 100)),
        "sort": own.corrupted.value,
    }


def answers(board: Standings) -> list[tuple[str, str]]:
    """Three questions on the ranked entries, and their answers."""
    ranked = [entry for entry in board.ordered() if entry.standings[ALL].place.rank is not None]
    if not ranked:
        return []
    metric = metric_name(board.folder.board.metric)
    best = ranked[0]
    level = [entry for entry in ranked if entry.standings[ALL].place.group == best.standings[ALL].place.group]
    kept = f"{score(best.standings[ALL].corrupted.value)} of {score(best.cells['clean'].value)} clean"
    if len(level) == 1:
        first = f"{best.card.name} keeps {metric} {kept}."
    else:
        first = f"{len(level)} models are level; {best.card.name} keeps {metric} {kept}."
    return [
        ("Which is most robust?", first),
        ("To what is it weak?", _weakness(board, best)),
        ("Is the lead real?", _lead(ranked, level)),
    ]


def _weakness(board: Standings, best: Entry) -> str:
    losses = {
        column.name: lost
        for column in family_columns(board)
        if not column.meaning_changing and (lost := best.standings[column.name].mmi.value) is not None
    }
    if not losses:
        return "Nothing is known of its losses."
    worst = max(losses, key=lambda name: losses[name])
    return f"{worst} costs {best.card.name} most: {per_cent(losses[worst])} of clean."


def _lead(ranked: Sequence[Entry], level: Sequence[Entry]) -> str:
    if len(ranked) == 1:
        return "There is no other model to compare it with."
    if len(level) == 1:
        ahead = (ranked[0].standings[ALL].corrupted.value or 0) - (
            ranked[1].standings[ALL].corrupted.value or 0
        )
        return (
            f"Yes. It is ahead of all {len(ranked) - 1} others (each pair tested at .05/1000); the next, "
            f"{ranked[1].card.name}, by {ahead:.3f}."
        )
    names = [entry.card.name for entry in level[1:]]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"No. No test tells it from {shown}."


def board_data(board: Standings) -> dict[str, Any]:
    """What the script of a board's page needs: curves of every entry, and the table in numbers."""
    own = board.folder.board
    known = suites.load(own.suite).corruptions
    return {
        "board": board.folder.name,
        "title": own.title,
        "metric": metric_name(own.metric),
        "severities": list(own.severities),
        "families": {family: list(names) for family, names in board.families.items()},
        "modalities": {name: known[name].modality for name in own.corruptions if name in known},
        "entries": [_entry_data(entry, board) for entry in board.ordered()],
    }


def _entry_data(entry: Entry, board: Standings) -> dict[str, Any]:
    severities = board.folder.board.severities
    return {
        "name": entry.card.name,
        "status": entry.status,
        "clean": _thousandths(entry.cells["clean"]),
        "curves": {
            name: [_thousandths(entry.cells.get(f"{name}-{severity}", NO_CELL)) for severity in severities]
            for name in board.folder.board.corruptions
            if name not in board.inapplicable
        },
        "families": {
            family: [_thousandths(estimate) for estimate in own.by_severity]
            for family, own in entry.standings.items()
        },
    }


def _thousandths(estimate: Estimate) -> list[float | None]:
    return [rounded(value, 3) for value in triple(estimate)]


def model_view(name: str, places: Sequence[tuple[Standings, Entry]]) -> dict[str, Any]:
    """Everything that the page of a model shows: its card, and how it stands on each board."""
    card = places[0][1].card
    return {
        "name": name,
        "card": card.model_dump(),
        "boards": [_model_on_board(board, entry) for board, entry in places],
    }


def _model_on_board(board: Standings, entry: Entry) -> dict[str, Any]:
    own, standing = board.folder.board, entry.standings[ALL]
    clean = entry.cells["clean"]
    losses = sorted(
        ((name, _mean_of(entry, name, own.severities)) for name in board.families[ALL]),
        key=lambda item: (item[1] is None, item[1] or 0.0),
    )
    return {
        "name": board.folder.name,
        "title": own.title,
        "metric": metric_name(own.metric),
        "status": entry.status,
        "flags": list(entry.flags),
        "rank": "–" if standing.place.rank is None else str(standing.place.rank),
        "of": len(board.entries),
        "corrupted": interval(standing.corrupted),
        "clean": interval(clean),
        "lost": _loss(entry, standing.mmi.value),
        "command": board_command(entry.spec.model, own),
        "record": f"../{board.folder.name}/submissions/{entry.name}",
        "notes": list(entry.spec.notes),
        "packages": dict(entry.spec.packages),
        "weights": entry.spec.weights,
        "families": [
            (
                column.name,
                interval(entry.standings[column.name].corrupted),
                _loss(entry, entry.standings[column.name].mmi.value),
                entry.standings[column.name].place.rank,
            )
            for column in family_columns(board)
        ],
        "corruptions": [
            (name, short_score(value), _loss(entry, _share_lost(clean.value, value)))
            for name, value in losses
        ],
    }


def _mean_of(entry: Entry, corruption: str, severities: Sequence[int]) -> float | None:
    cells = [entry.cells.get(f"{corruption}-{severity}", NO_CELL) for severity in severities]
    scored = [cell.value for cell in cells if cell.value is not None]
    return sum(scored) / len(scored) if scored else None


def _share_lost(clean: float | None, value: float | None) -> float | None:
    return None if not clean or value is None else (clean - value) / clean


def _loss(entry: Entry, share: float | None) -> str:
    return "at floor" if entry.floor else per_cent(share)
