"""``mafs-bench submit``, ``validate`` and ``leaderboard new | open | add | verify | accept | build | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Root = Annotated[Path | None, typer.Option(help="checkout of the project, or its leaderboards/")]
_Replace = Annotated[bool, typer.Option("--replace", help="as a correction of the entry of the same name")]
_board_app = typer.Typer(
    help="Boards: define and open one, take a submission in, verify it, build the tables, check them.",
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
    """Make a bundle of a run's per-sample scores for a board, and validate it."""
    from mafs_bench.leaderboard.boards import find_root, load_board
    from mafs_bench.leaderboard.bundle import write_bundle
    from mafs_bench.leaderboard.submission import make_bundle

    boards = find_root(root)
    write_bundle(make_bundle(run, load_board(boards, board), model_card), out)
    typer.echo(f"{out}  {_size(out)}")
    validate(out, replace, boards)


def validate(
    bundle: Annotated[Path, typer.Argument(help="zip file or folder")],
    replace: _Replace = False,
    root: _Root = None,
    markdown: Annotated[
        Path | None, typer.Option(help="write the findings and the board with it here")
    ] = None,
) -> None:
    """Check a bundle: every finding, one line each; exit code 1 where there is an error."""
    from mafs_bench.leaderboard.boards import find_root
    from mafs_bench.leaderboard.validation import validate as check_bundle

    boards = find_root(root)
    report = check_bundle(bundle, boards, replacing=replace)
    for finding in report.findings:
        typer.echo(str(finding))
    typer.echo(f"{bundle}: {report.verdict}")
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
    """Define a board, or define it anew while it has no submission; ``open`` pins its rows."""
    from mafs_bench.leaderboard.boards import new_board, writable_root
    from mafs_bench.runs.plan import parse_severities

    folder = new_board(
        writable_root(root, new=True),
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


@_board_app.command("open")
def open_boards(
    boards: Annotated[list[str], typer.Argument(help="names of boards on one data set")],
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set")] = None,
    root: _Root = None,
) -> None:
    """Pin the rows of boards, from data and suite and without a model: they take submissions from then on."""
    from mafs_bench.leaderboard.boards import load_board, writable_root
    from mafs_bench.leaderboard.pins import FILE, pins_of, write_pins
    from mafs_bench.runs.pin import pin_rows

    for folder in [load_board(writable_root(root), name) for name in boards]:
        own = folder.board
        folder.require_changeable()
        pinned = pin_rows(
            task=own.task,
            dataset=own.dataset,
            split=own.split,
            data_root=data_root,
            limit=own.limit,
            suite=own.suite,
            corruptions=own.corruptions,
            severities=own.severities,
            seed=own.seed,
        )
        opened = write_pins(folder, pins_of(own, pinned.frames, pinned.content_hashes), pinned.revision)
        file = folder.path / FILE
        typer.echo(f"{file}  {opened.board.n} rows in {len(own.conditions)} conditions, {_size(file)}")


@_board_app.command("add")
def add(
    bundle: Annotated[Path, typer.Argument(help="zip file or folder")],
    replace: _Replace = False,
    root: _Root = None,
) -> None:
    """Validate a bundle and put it among its board's submissions."""
    from mafs_bench.leaderboard.boards import writable_root
    from mafs_bench.leaderboard.publish import add_submission

    boards = writable_root(root)
    report = add_submission(bundle, boards, replace=replace)
    for finding in report.findings:
        typer.echo(str(finding))
    if report.submission is not None:
        place = boards / report.submission.board / "submissions" / report.submission.name
        typer.echo(f"{place}: {report.verdict}  (mafs-bench leaderboard build writes the tables)")


@_board_app.command("verify")
def verify(
    submission: Annotated[Path, typer.Argument(help="folder among a board's submissions, or a bundle")],
    model: Annotated[str, typer.Option(help="the model, as for run")],
    cells: Annotated[int, typer.Option(min=1, help="how many conditions to run again, beside clean")] = 3,
    data_root: Annotated[Path | None, typer.Option(help="folder of the data set")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    root: _Root = None,
) -> None:
    """Run a random part of a submission again; where the scores agree, it is recorded as verified."""
    from mafs_bench.cli.verify import verify_submission
    from mafs_bench.leaderboard.boards import writable_root
    from mafs_bench.runs.execute import Resources

    resources = Resources(device=device, batch_size=batch_size)
    for line in verify_submission(submission, model, cells, data_root, resources, writable_root(root)):
        typer.echo(line)


@_board_app.command("accept")
def accept(
    submission: Annotated[Path, typer.Argument(help="folder among a board's submissions")],
    reason: Annotated[str, typer.Option(help="why it is ranked although it was flagged")],
    root: _Root = None,
) -> None:
    """Rank a flagged entry, which stays unverified."""
    from mafs_bench.leaderboard.boards import load_board, writable_root
    from mafs_bench.leaderboard.publish import accept_flags

    folder = load_board(writable_root(root), submission.resolve().parent.parent.name)
    accept_flags(submission, folder, reason)
    typer.echo(f"{submission}: flags accepted  (mafs-bench leaderboard build writes the tables)")


@_board_app.command("build")
def build(root: _Root = None) -> None:
    """Write BOARD.md and board.csv of every board, and the site, from the records."""
    from mafs_bench.leaderboard.boards import writable_root
    from mafs_bench.leaderboard.site import build as write_all

    changed = write_all(writable_root(root))
    typer.echo("\n".join(map(str, changed)) or "nothing changed")


@_board_app.command("check")
def check(root: _Root = None) -> None:
    """Fail where a generated file differs from the records."""
    from mafs_bench.leaderboard.boards import find_root
    from mafs_bench.leaderboard.site import check as compare_all

    compare_all(find_root(root))
    typer.echo("all generated files agree with the records")


def _size(path: Path) -> str:
    size = sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
    return f"{size / 1024:.0f} KiB"
