"""The commands under headings, in plain text: ``--help`` of the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer import Context
    from typer._click import HelpFormatter

HEADINGS: Mapping[str, Sequence[str]] = {
    "Run and compare": ("run", "report", "compare", "domain-gap", "baseline", "check", "verify-paper"),
    "Corruptions and data": ("corrupt", "preview", "list", "data", "check-operator"),
    "Models": ("init-adapter", "check-adapter", "reproduce"),
    "Boards": ("submit", "validate", "leaderboard"),
    "Training": ("train", "calibrate", "study"),
}
OTHER = "Other"


class GroupedCommands(TyperGroup):
    """Lists the commands of ``HEADINGS`` under their headings, and any other one under ``OTHER``."""

    def list_commands(self, ctx: Context) -> list[str]:  # type: ignore[override]
        """The names of all commands, in the order of the headings."""
        listed = [name for names in HEADINGS.values() for name in names if name in self.commands]
        return [*listed, *(name for name in self.commands if name not in listed)]

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # type: ignore[override]
        """Write a section per heading, all with one width of the first column."""
        names = self.list_commands(ctx)
        width = max(map(len, names))
        known = {name: heading for heading, own in HEADINGS.items() for name in own}
        for heading in (*HEADINGS, OTHER):
            own = [name for name in names if known.get(name, OTHER) == heading]
            if not own:
                continue
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), self._summary(name, width, formatter)) for name in own]
                )

    def _summary(self, name: str, width: int, formatter: HelpFormatter) -> str:
        return self.commands[name].get_short_help_str(formatter.width - 6 - width)
