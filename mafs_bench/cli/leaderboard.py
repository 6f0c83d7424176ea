"""``mafs-bench submit``, ``validate`` and ``leaderboard new | open | add | verify | accept | build | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.limits import DEFAULT_SUITE

_Root = Annotated[Path | None, typer.Option(help="checkout of the project, or its leaderboards/")]
_Replace = Annotated[bool, typer.Option("--replace", help="correct the entry with the same name")]
_board_app = typer.Typer(
    help="Define boards; add, verify and rank submissions.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("submit")(submit)
    app.command("validate")(validate)
    app.add_typer(_board_app, name="leaderboard")


def submit(
    run: Annotated[Path, typer.Argument(help="results folder")],
    board: Annotated[str, typer.Option(help="name of the board")],
    model_card: Annotated[
        Path, typer.Option(help="TOML: name, link, licence, parameters, training_data, contact")
    ],
    out: Annotated[Path, typer.Option(help="FILE.zip, or a folder")],
    replace: _Replace = False,
    root: _Root = None,
) -> None:
    """Make a bundle of a run's scores for a board."""
    from mafs_bench.api import boards

    boards.make_submission(run, board, model_card, out, root)
    typer.echo(f"{out}  {_size(out)}")
    validate(out, replace, root)


def validate(
    bundle: Annotated[Path, typer.Argument(help="zip file or folder")],
    replace: _Replace = False,
    root: _Root = None,
    markdown: Annotated[
        Path | None, typer.Option(help="file for the findings and the board with this entry")
    ] = None,
) -> None:
    """Check a submission bundle: one line per finding.

    Exit code 1 if there is an error.
    """
    from mafs_bench.api import boards

    report = boards.validate_submission(bundle, root, replace=replace, markdown=markdown)
    for finding in report.findings:
        typer.echo(str(finding))
    typer.echo(f"{bundle}: {report.verdict}")
    if not report.accepted:
        raise typer.Exit(1)


@_board_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="lower-case letters, digits, hyphens")],
    title: Annotated[str, typer.Option()],
    about: Annotated[str, typer.Option(help="description and origin of the data")],
    task: Annotated[str, typer.Option()],
    dataset: Annotated[str, typer.Option()],
    split: Annotated[str, typer.Option()] = "test",
    suite: Annotated[str, typer.Option()] = DEFAULT_SUITE,
    corruption: Annotated[str, typer.Option(help="as for run; only those that apply to the task")] = "all",
    severity: Annotated[str, typer.Option()] = "1-5",
    seed: Annotated[int, typer.Option()] = 0,
    limit: Annotated[int | None, typer.Option(help="only the first N samples")] = None,
    root: _Root = None,
) -> None:
    """Define a board, or redefine one without submissions.

    ``open`` then pins its rows.
    """
    from mafs_bench.api import boards

    folder = boards.define_board(
        name,
        title=title,
        about=about,
        task=task,
        dataset=dataset,
        split=split,
        suite=suite,
        corruption=corruption,
        severity=severity,
        seed=seed,
        limit=limit,
        root=root,
    )
    typer.echo(f"{folder.path / 'board.toml'}  {len(folder.board.conditions)} conditions")


@_board_app.command("open")
def open_boards(
    boards: Annotated[list[str], typer.Argument(help="names of boards on one data set")],
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set")] = None,
    root: _Root = None,
) -> None:
    """Pin the rows of boards, which then take submissions.

    The rows come from the data set and the suite; no model is needed.
    """
    from mafs_bench.api import boards as api

    for opened in api.open_boards(boards, data_root, root):
        typer.echo(
            f"{opened.pins}  {opened.rows} rows in {opened.conditions} conditions, {_size(opened.pins)}"
        )


@_board_app.command("add")
def add(
    bundle: Annotated[Path, typer.Argument(help="zip file or folder")],
    replace: _Replace = False,
    root: _Root = None,
) -> None:
    """Validate a bundle and add it to its board."""
    from mafs_bench.api import boards

    added = boards.add_submission(bundle, root, replace=replace)
    for finding in added.report.findings:
        typer.echo(str(finding))
    if added.place is not None:
        typer.echo(f"{added.place}: {added.report.verdict}  (mafs-bench leaderboard build writes the tables)")


@_board_app.command("verify")
def verify(
    submission: Annotated[Path, typer.Argument(help="folder below submissions/ of a board, or a bundle")],
    model: Annotated[str, typer.Option(help="the model, as for run")],
    cells: Annotated[
        int, typer.Option(min=1, help="number of conditions to rerun, in addition to clean")
    ] = 3,
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    root: _Root = None,
) -> None:
    """Rerun a random part of a submission to verify it."""
    from mafs_bench.api import boards

    lines = boards.verify_submission(
        submission,
        model,
        cells=cells,
        data_root=data_root,
        device=device,
        batch_size=batch_size,
        root=root,
    )
    for line in lines:
        typer.echo(line)


@_board_app.command("accept")
def accept(
    submission: Annotated[Path, typer.Argument(help="folder below submissions/ of a board")],
    reason: Annotated[str, typer.Option(help="why it is ranked despite its flags")],
    root: _Root = None,
) -> None:
    """Rank a flagged entry, which stays unverified."""
    from mafs_bench.api import boards

    boards.accept_flagged(submission, reason, root)
    typer.echo(f"{submission}: flags accepted  (mafs-bench leaderboard build writes the tables)")


@_board_app.command("build")
def build(root: _Root = None) -> None:
    """Write the tables of all boards and the site."""
    from mafs_bench.api import boards

    typer.echo("\n".join(map(str, boards.build_boards(root))) or "nothing changed")


@_board_app.command("check")
def check(root: _Root = None) -> None:
    """Fail if a generated file differs from the records."""
    from mafs_bench.api import boards

    boards.check_boards(root)
    typer.echo("all generated files agree with the records")


def _size(path: Path) -> str:
    size = sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
    return f"{size / 1024:.0f} KiB"
