"""``mafs-bench preview``: see what a corruption does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.limits import DEFAULT_SUITE, MAX_PIXELS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("preview")(preview)


def preview(
    corruption: Annotated[
        str | None, typer.Option(help="names, aliases or families, comma-separated")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="every image and text corruption of the suite")] = False,
    suite: Annotated[str, typer.Option(help="whose corruptions")] = DEFAULT_SUITE,
    image: Annotated[
        Path | None,
        typer.Option(help="image, or folder (its first image) [a rendered scene]"),
    ] = None,
    text: Annotated[str | None, typer.Option(help="text [the caption of the scene]")] = None,
    out: Annotated[Path, typer.Option(help="contact sheet to write (.png or .webp)")] = Path("preview.png"),
    tile: Annotated[int, typer.Option(min=16, help="pixels per side of an image on the sheet")] = 160,
    max_pixels: Annotated[int, typer.Option(help="refuse images with more pixels")] = MAX_PIXELS,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
) -> None:
    """Show corruptions: a contact sheet, and text edits."""
    from rich.console import Console

    from mafs_bench.api.corrupting import preview as make_preview

    console = Console(highlight=False)
    made = make_preview(
        corruption,
        out,
        everything=all_,
        suite=suite,
        image=image,
        text=text,
        tile=tile,
        max_pixels=max_pixels,
        seed=seed,
        brackets=not console.is_terminal,
    )
    if made.images:
        console.print(f"{out}: {made.images} corruption{'s' * (made.images > 1)}, severities 1 to 5")
    for name, lines in made.texts.items():
        console.print(f"[bold]{name}[/bold]")
        for line in lines:
            console.print(line, soft_wrap=True)
