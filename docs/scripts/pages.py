"""Pages and parts of pages that are written from the code, so that they cannot disagree with it."""

from __future__ import annotations

import html
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import click
import typer

import mafs_bench as mb
from mafs_bench.api.listing import overview
from mafs_bench.cli import app
from mafs_bench.cli.groups import HEADINGS, OTHER
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.datasets import DATASETS
from mafs_bench.stats import ranking, robustness
from mafs_bench.tasks import TASKS, get_task
from mafs_bench.types import Corruption, Metric

WITH_SAMPLES = "core@2"
"""The suite whose image corruptions have sheets of samples: its pixels are the same on every machine."""
SCENE = 18
"""The test scene that samples show."""
CAPTIONS = (
    "A small brown dog runs to the left of two red umbrellas on the beach.",
    "Three people are waiting beside a yellow bus in front of the old station.",
)
"""Texts that the suites' pages corrupt."""
_SHOWN = (1, 3, 5)
_CORE_1 = "mafs-bench preview --suite core@1 --all --tile 112 --out docs/assets/core-1.webp"
_SHEETS = {
    "core@1": f"![Every image corruption of core@1, clean and at severities 1 to 5](../assets/core-1.webp)\n\n"
    f"Made by `{_CORE_1}`.",
    "imagenet-c@1": "They look as on the [sheet of `core@1`](core-1.md), which has the same operators.",
}
"""Samples on one sheet, for suites whose pixels depend on libraries."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# ------------------------------------------------------------------------------------------- command reference


def cli_page() -> str:
    """Every command with its help and options."""
    root = typer.main.get_command(app)
    parts = [
        "# Commands",
        "Written from the command line itself. `mafs-bench COMMAND --help` prints the same.",
        _text(root.help),
        "Exit codes: 0, or 1 for a failure, or 130 where the user stopped it. `check` ends with its verdict "
        "(0 pass, 1 regression, 2 inconclusive) and with 3 where nothing was checked.",
    ]
    headings = {command: heading for heading, commands in HEADINGS.items() for command in commands}
    last = ""
    for names, command in _commands(root, ()):
        heading = headings.get(names[0], OTHER)
        if heading != last:
            parts.append(f"## {heading}")
        parts.append(_command(names, command))
        last = heading
    return "\n\n".join(parts) + "\n"


def _commands(
    group: click.Command, names: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], click.Command]]:
    found: Mapping[str, click.Command] = getattr(group, "commands", {})
    order = [name for listed in HEADINGS.values() for name in listed if not names and name in found]
    for name in dict.fromkeys([*order, *found]):
        command = found[name]
        if command.hidden:
            continue
        if getattr(command, "commands", None):
            yield from _commands(command, (*names, name))
        else:
            yield (*names, name), command


def _command(names: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(("mafs-bench", *names)))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [p.get_help_record(context) for p in command.params if p.name != "help"]
    rows = [(_option(name), _text(text)) for name, text in filter(None, records)]
    parts = [f"### {' '.join(names)}", _text(command.help), f"```text\n{usage}\n```"]
    return "\n\n".join([*parts, table(("option", "meaning"), rows)] if rows else parts)


def _option(record: str) -> str:
    """An option and its type, each unbroken."""
    name, _, kind = record.partition(" ")
    return f"`{name}` `{kind}`" if kind else f"`{name}`"


def _text(text: str | None) -> str:
    """Help as Markdown: nothing in it is markup."""
    escaped = html.escape(text or "", quote=False)
    for character in "\\*_[]":
        escaped = escaped.replace(character, "\\" + character)
    return escaped


# -------------------------------------------------------------------------------------------- Python reference


def api_page() -> str:
    """Every public name, with its docstring."""
    parts = [
        "# Python interface",
        "`import mafs_bench as mb` takes no time: nothing is loaded until it is used. These are all public names.",
    ]
    for name in mb.__all__:
        if name == "__version__":
            continue
        if name == "errors":
            parts.append("## errors\n\n```text\n" + _error_tree() + "\n```")
            continue
        value = getattr(mb, name)
        parts.append(f"::: {value.__module__}.{value.__qualname__}")
    return "\n\n".join(parts) + "\n"


def _error_tree() -> str:
    return (importlib.import_module("mafs_bench.errors").__doc__ or "").partition("\n\n")[2].strip()


# ------------------------------------------------------------------------------------------------------ suites


def suite_page(name: str) -> str:
    """What a suite holds: its corruptions by family, with parameters, samples and sources."""
    suite = suites.load(name)
    frame = f"{suite.frame} pixels" if suite.frame else "none: images keep their size"
    parts = [
        f"# {suite.id}",
        suite.description,
        table(
            ("fact", "value"),
            [
                ("corruptions", str(len(suite.corruptions))),
                ("frame", frame),
                ("SHA-256 of the file", f"`{suite.digest}`"),
            ],
        ),
    ]
    if name in _SHEETS:
        parts.append(_SHEETS[name])
    families: dict[str, list[Corruption]] = {}
    for corruption in suite.corruptions.values():
        families.setdefault(corruption.family, []).append(corruption)
    for family, members in families.items():
        parts.append(f"## {family}")
        parts += [_corruption(corruption) for corruption in members]
    return "\n\n".join(parts) + "\n"


def _corruption(corruption: Corruption) -> str:
    parts = [f"### {corruption.name}"]
    facts = (
        ["Also called " + ", ".join(f"`{alias}`" for alias in corruption.aliases)]
        if corruption.aliases
        else []
    )
    facts += ["Changes the meaning, and is no part of any mean"] if corruption.meaning_changing else []
    facts += [f"Unit: {_text(corruption.unit)}"] if corruption.unit else []
    facts += [f"Source: {_text(corruption.source)}"] if corruption.source else []
    parts.append(". ".join(facts) + ("." if facts else ""))
    if corruption.suite == WITH_SAMPLES and corruption.modality == "image":
        shown = "clean, then severity " + " ".join(str(i + 1) for i in range(len(corruption.levels)))
        parts.append(
            f"![{corruption.name}: {shown}](../{sample_path(corruption)}){{ .samples loading=lazy }}"
        )
    if corruption.modality == "text":
        parts.append(_edits(corruption))
    parts.append(_levels(corruption))
    return "\n\n".join(part for part in parts if part)


def sample_path(corruption: Corruption) -> str:
    """Where the sheet of samples of an image corruption lies, below ``docs``."""
    return f"assets/samples/{corruption.suite.replace('@', '-')}/{corruption.name}.webp"


def _levels(corruption: Corruption) -> str:
    columns = [str(i + 1) for i in range(len(corruption.levels))]
    rows = [(f"`{key}`", *(str(level[key]) for level in corruption.levels)) for key in corruption.levels[0]]
    return table(("severity", *columns), rows)


def _edits(corruption: Corruption) -> str:
    severities = [s for s in _SHOWN if s <= len(corruption.levels)]
    rows = []
    for caption in CAPTIONS:
        try:
            outs = corrupt_text(caption, corruption, severities, seed=0, sample_id="docs")
        except mb.errors.MafsBenchError:
            return "Needs weights that are not bundled."
        if any(out is not None for out in outs):
            rows += [
                (str(severity), "*not applicable*" if out is None else _literal(out))
                for severity, out in zip(severities, outs, strict=True)
            ]
            break
    else:
        return "Not applicable to the captions of this page."
    return table(("severity", "text"), [("clean", _literal(caption)), *rows])


def _literal(text: str) -> str:
    """A text as it is, with what cannot be seen made visible."""
    shown = "".join(c if c.isprintable() else f"[U+{ord(c):04X}]" for c in text)
    return f"<code>{html.escape(shown).replace('|', '&#124;').replace('*', '&#42;').replace('_', '&#95;')}</code>"


def suite_list() -> str:
    """The published suites, each with a link to its page."""
    rows = []
    for name in suites.published():
        suite = suites.load(name)
        frame = str(suite.frame) if suite.frame else "native size"
        rows.append(
            (f"[`{name}`]({suite_file(name)})", str(len(suite.corruptions)), frame, suite.description)
        )
    return table(("suite", "corruptions", "frame", "what it holds"), rows)


def suite_file(name: str) -> str:
    """The page of a suite, in ``suites/``."""
    return name.replace("@", "-") + ".md"


def default_suite() -> str:
    """The id of the suite that is used where none is named."""
    return f"The default is `{mb.load_suite().id}`."


# -------------------------------------------------------------------------------------- statistics and registry


def definitions(where: str) -> str:
    """The measures of ``robustness`` or ``ranking`` with their formulas."""
    module = {"robustness": robustness, "ranking": ranking}[where]
    return table(
        ("measure", "formula", "range", "source"),
        [(f"**{d.header}**", f"`{d.formula}`", d.range, d.source) for d in module.DEFINITIONS.values()],
    )


def metrics() -> str:
    """The metrics of every task, with range, interval and source."""
    parts = []
    for name in TASKS.names():
        parts.append(f"### {name}")
        parts.append(
            table(
                ("metric", "range", "better", "interval", "source"),
                [_metric_row(metric, metric.name == _primary(name)) for metric in get_task(name).metrics],
            )
        )
    return "\n\n".join(parts)


def _primary(task: str) -> str:
    return get_task(task).primary


def _metric_row(metric: Metric, primary: bool) -> tuple[str, ...]:
    ends = [f"{end:g}".replace("inf", "∞") for end in (metric.low, metric.high)]
    name = f"**`{metric.name}`**" if primary else f"`{metric.name}`"
    better = "higher" if metric.higher_is_better else "lower"
    unbroken = metric.interval.replace("-", "\u2011")
    return name, f"{ends[0]} to {ends[1]}", better, unbroken, metric.source


def models() -> str:
    """The registered models."""
    header, rows = overview("models")
    return table(
        tuple(header),
        [
            (f"`{name}`", _text(about), ", ".join(f"`{spec}`" for spec in specs.split(", ")))
            for name, about, specs in rows
        ],
    )


def datasets() -> str:
    """The registered data sets."""
    return table(
        ("data set", "what it is"), [(f"`{n}`", _text(DATASETS.summary(n))) for n in DATASETS.names()]
    )


def tasks() -> str:
    """The tasks."""
    return table(("task", "what is asked"), [(f"`{n}`", _text(TASKS.summary(n))) for n in TASKS.names()])


def stats_page() -> str:
    """The functions behind the statistics, module by module."""
    parts = ["# Statistics functions", "What `mafs_bench.stats` computes, with sources. No stable interface."]
    for name in ("robustness", "intervals", "significance", "bounded", "ranking"):
        parts += [f"## stats.{name}", module(f"mafs_bench.stats.{name}")]
    return "\n\n".join(parts) + "\n"


def module(name: str) -> str:
    """The public functions of a module, with their docstrings."""
    options = {"show_root_heading": "false", "show_root_toc_entry": "false", "heading_level": "3"}
    lines = "\n".join(f"      {key}: {value}" for key, value in options.items())
    return f"::: {name}\n    options:\n{lines}"


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/cli.md": cli_page,
    "reference/api.md": api_page,
    "reference/stats.md": stats_page,
    **{
        f"suites/{suite_file(name)}": (lambda name=name: suite_page(name))
        for name in sorted(suites.published(), key=lambda name: (name != WITH_SAMPLES, name))
    },
}
"""File below ``docs`` -> what writes it."""

PARTS: Mapping[str, Callable[..., str]] = {
    "definitions": definitions,
    "metrics": metrics,
    "models": models,
    "datasets": datasets,
    "tasks": tasks,
    "suite-list": suite_list,
    "default-suite": default_suite,
}
"""Name in ``<!-- generated: NAME [ARGUMENT] -->`` -> what writes it."""
