"""The pages of the boards' site: an overview, one page per board, one per model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mafs_bench.leaderboard.site_data import (
    answers,
    board_data,
    board_view,
    metric_name,
    model_view,
    open_command,
)
from mafs_bench.leaderboard.standings import ALL, Entry, Standings
from mafs_bench.report.html import render, script_data

_SECTIONS = ("Current boards", "Boards to open", "Archive")


def site_pages(boards: Sequence[Standings]) -> dict[str, str]:
    """File name to text of every page."""
    models = _models(boards)
    page_of = _page_names(models)
    navigation = [
        (section, [(board.folder.name, board.folder.board.title, len(board.entries)) for board in own])
        for section, own in _sections(boards).items()
    ]
    pages = {"index.html": render("site_index.html.j2", sections=_overview(boards), navigation=navigation)}
    for board in boards:
        pages[f"{board.folder.name}.html"] = render(
            "site_board.html.j2",
            board=board_view(board, page_of),
            data=script_data(board_data(board)),
            navigation=navigation,
        )
    for name, places in models.items():
        pages[page_of[name]] = render(
            "site_model.html.j2", model=model_view(name, places), navigation=navigation
        )
    return pages


def _models(boards: Sequence[Standings]) -> dict[str, list[tuple[Standings, Entry]]]:
    found: dict[str, list[tuple[Standings, Entry]]] = {}
    for board in boards:
        for entry in board.entries:
            found.setdefault(entry.card.name, []).append((board, entry))
    return dict(sorted(found.items()))


def _page_names(models: Mapping[str, object]) -> dict[str, str]:
    """A file name for each model; names that would share one are numbered in their order."""
    taken: dict[str, int] = {}
    pages = {}
    for name in models:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"
        taken[plain] = taken.get(plain, 0) + 1
        pages[name] = f"model-{plain}{'' if taken[plain] == 1 else f'-{taken[plain]}'}.html"
    return pages


def _section_of(board: Standings) -> str:
    if board.folder.board.archive:
        return "Archive"
    return "Current boards" if board.entries else "Boards to open"


def _sections(boards: Sequence[Standings]) -> dict[str, list[Standings]]:
    found: dict[str, list[Standings]] = {section: [] for section in _SECTIONS}
    for board in sorted(boards, key=lambda board: board.folder.name):
        found[_section_of(board)].append(board)
    return {section: own for section, own in found.items() if own}


def _overview(boards: Sequence[Standings]) -> list[dict[str, Any]]:
    return [
        {"title": section, "boards": [_card(board) for board in own]}
        for section, own in _sections(boards).items()
    ]


def _card(board: Standings) -> dict[str, Any]:
    ranked = [entry for entry in board.ordered() if entry.standings[ALL].place.rank is not None]
    own = board.folder.board
    return {
        "name": board.folder.name,
        "title": own.title,
        "metric": metric_name(own.metric),
        "models": len(board.entries),
        "first": answers(board)[0][1] if ranked else "",
        "about": own.about,
        "command": open_command(board.folder.name),
        "defined": not board.entries,
    }
