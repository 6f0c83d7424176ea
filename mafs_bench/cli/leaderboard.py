"""``mafs-bench submit``, ``validate`` and ``leaderboard new | add | build | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Root = Annotated[Path | None, typer.Option(help="folder of the boards [leaderboards/]")]
_board_app = typer.Typer(
    help="Boards: open one, take a submission in, build the tables, check them.", no_args_is_help=True
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
    root: _Root = None,
) -> None:
    """Make a bundle of a run's per-sample scores for a board, and validate it."""
    from mafs_bench.leaderboard.boards import default_root, load_board
    from mafs_bench.leaderboard.bundle import write_bundle
    from mafs_bench.leaderboard.submission import make_bundle

    boards = root or default_root()
    write_bundle(make_bundle(run, load_board(boards, board), model_card), out)
    typer.echo(f"{out}  {_size(out)}")
    validate(out, boards)


def validate(
    bundle: Annotated[Path, typer.Argument(help="zip file or folder")],
    root: _Root = None,
    markdown: Annotated[
        Path | None, typer.Option(help="write the findings and the board with it here")
    ] = None,
) -> None:
    """Check a bundle: every defect, one line each; exit code 1 where there is an error."""
    from mafs_bench.leaderboard.boards import default_root
    from mafs_bench.leaderboard.validation import validate as check_bundle

    boards = root or default_root()
    report = check_bundle(bundle, boards)
    for finding in report.findings:
        typer.echo(str(finding))
    typer.echo(f"{bundle}: {'accepted' if report.accepted else 'refused'}")
    if markdown is not None:
        from mafs_bench.leaderboard.markdown import review

        markdown.write_text(review(bundle.name, report, boards), encoding="utf-8")
    if not report.accepted:
        raise typer.Exit(1)


@_board_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="small letters, digits, hyphens")],
    title: Annotated[str, typer.Option()],
    about: Annotated[str, typer.Option(help="what the data are and where they come from")],
    task: Annotated[str, typer.Option()],
    dataset: Annotated[str, typer.Option()],
    split: Annotated[str, typer.Option()] = "test",
    suite: Annotated[str, typer.Option()] = "core@1",
    corruption: Annotated[
        str, typer.Option(help="as for run; those that apply to the task are taken")
    ] = "all",
    severity: Annotated[str, typer.Option()] = "1-5",
    seed: Annotated[int, typer.Option()] = 0,
    limit: Annotated[int | None, typer.Option(help="only the first N samples")] = None,
    root: _Root = None,
) -> None:
    """Open a board, or define it anew while it has no submission; the first submission pins its samples."""
    from mafs_bench.leaderboard.boards import default_root, new_board
    from mafs_bench.runs.plan import parse_severities

    folder = new_board(
        root or default_root(),
        name,
        title=title,
        about=about,
        task=task,
        dataset=dataset,
        split=split,
        suite=suite,
        corruption=corruption,
        severities=parse_severities(severity),
        seed=seed,
        limit=limit,
    )
    typer.echo(f"{folder.path / 'board.toml'}  {len(folder.board.conditions)} conditions")


@_board_app.command("add")
def add(
    bundle: Annotated[Path, typer.Argument(help="zip file or folder")],
    replace: Annotated[
        bool, typer.Option("--replace", help="in place of the submission of the same name")
    ] = False,
    root: _Root = None,
) -> None:
    """Validate a bundle and put it among its board's submissions."""
    from mafs_bench.leaderboard.boards import default_root
    from mafs_bench.leaderboard.publish import add_submission

    added = add_submission(bundle, root or default_root(), replace=replace)
    typer.echo(f"{added.board}/submissions/{added.name}  (mafs-bench leaderboard build writes the tables)")


@_board_app.command("build")
def build(root: _Root = None) -> None:
    """Write BOARD.md and board.csv of every board, and the site, from the records."""
    from mafs_bench.leaderboard.boards import default_root
    from mafs_bench.leaderboard.site import build as write_all

    changed = write_all(root or default_root())
    typer.echo("\n".join(map(str, changed)) or "nothing changed")


@_board_app.command("check")
def check(root: _Root = None) -> None:
    """Fail where a generated file differs from the records."""
    from mafs_bench.leaderboard.boards import default_root
    from mafs_bench.leaderboard.site import check as compare_all

    compare_all(root or default_root())
    typer.echo("all generated files agree with the records")


def _size(path: Path) -> str:
    size = sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
    return f"{size / 1024:.0f} KiB"
