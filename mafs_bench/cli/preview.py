"""``mafs-bench preview``: see what a corruption does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.limits import MAX_PIXELS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("preview")(preview)


def preview(
    corruption: Annotated[
        str | None, typer.Option(help="names, aliases or families of the suite, comma-separated")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="every image and text corruption of the suite")] = False,
    suite: Annotated[str, typer.Option(help="whose corruptions")] = "core@1",
    image: Annotated[
        Path | None,
        typer.Option(help="the image to corrupt, or a folder (its first); a rendered scene if not given"),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="the text to corrupt; the scene's caption if not given")
    ] = None,
    out: Annotated[Path, typer.Option(help="where the contact sheet goes (.png or .webp)")] = Path(
        "preview.png"
    ),
    tile: Annotated[int, typer.Option(min=16, help="pixels a side of a picture on the sheet")] = 160,
    max_pixels: Annotated[int, typer.Option(help="refuse images of more pixels")] = MAX_PIXELS,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
) -> None:
    """Write a contact sheet of the image corruptions and print the text corruptions' edits in colour."""
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
