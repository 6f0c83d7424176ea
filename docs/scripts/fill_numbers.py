"""Numbers in README and docs: measured by a command, stored under ``docs/results``, filled into generated blocks.

    python docs/scripts/fill_numbers.py                    fill the blocks
    python docs/scripts/fill_numbers.py --check            fail where a block differs from what is stored
    python docs/scripts/fill_numbers.py --measure NAME …   measure these again ("all": all), store, fill

A block stands between ``<!-- numbers: NAME [TASK] -->`` and ``<!-- end of numbers -->``. ``results/blocks.toml`` says
by which command it is measured and how it is shown.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
_BLOCK = re.compile(r"(<!-- numbers: ([\w-]+)(?: ([\w-]+))? -->\n).*?(<!-- end of numbers -->)", re.DOTALL)

Result = dict[str, Any]
"""What is stored of a block: ``command``, ``version``, ``suite``, and ``output`` or ``header`` with ``rows``."""


@dataclass(frozen=True)
class Block:
    """A block of numbers. ``command`` may hold {model}, for each of ``models``; ``out`` stands for a folder."""

    name: str
    kind: str
    command: str
    models: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    csv: str = ""

    @property
    def stored(self) -> Path:
        """Where its result lies."""
        return RESULTS / f"{self.name}.json"

    def commands(self) -> list[str]:
        """The commands to run, one per model."""
        return [self.command.replace("MODEL", model) for model in self.models] or [self.command]


def blocks() -> dict[str, Block]:
    """All blocks, by name."""
    read = tomllib.loads((RESULTS / "blocks.toml").read_text(encoding="utf-8"))
    return {
        name: Block(
            name,
            entry["kind"],
            entry["command"],
            tuple(entry.get("models", ())),
            tuple(entry.get("columns", ())),
            entry.get("csv", ""),
        )
        for name, entry in read.items()
    }


# ------------------------------------------------------------------------------------------------------ filling


def pages() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str, known: Mapping[str, Block]) -> str:
    """A page with its blocks as they should be."""

    def fill(found: re.Match[str]) -> str:
        start, name, task, end = found.groups()
        if name not in known:
            raise SystemExit(f"no block {name!r} in {RESULTS / 'blocks.toml'}; allowed: {', '.join(known)}")
        return start + show(known[name], task) + "\n" + end

    return _BLOCK.sub(fill, text)


def show(block: Block, task: str | None = None) -> str:
    """A block in Markdown: its numbers, and the command that makes them; of an output only the part of ``task``."""
    result = json.loads(block.stored.read_text(encoding="utf-8"))
    if result["command"] != block.command:
        raise SystemExit(
            f"{block.name}: its command has changed since it was measured; --measure {block.name}"
        )
    if "output" not in result:
        return _show_table(result)
    output = result["output"] if task is None else excerpt(result["output"], task)
    return f"```console\n$ {result['command']}\n{output.rstrip()}\n```"


def excerpt(output: str, task: str) -> str:
    """The title, the table of one task and the last two lines of a run's output; "…" for what is left out."""
    lines = output.splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"[\w-]+: \w+, \d+ queries", line)]
    first = next(i for i in starts if lines[i].startswith(f"{task}: "))
    after = next(i for i in range(first + 2, len(lines)) if not lines[i].strip() and i > first + 4)
    return "\n".join([*lines[: starts[0]], "…", *lines[first:after], "…", *lines[-2:]])


def _show_table(result: Result) -> str:
    header = result["header"]
    lines = [header, ["---"] * len(header), *result["rows"]]
    table = "\n".join("| " + " | ".join(map(_unbroken, line)) + " |" for line in lines)
    suite = f", suite `{result['suite']}`" if result["suite"] else ""
    return f"{table}\n\nMade by `{result['command']}` (mafs-bench {result['version']}{suite})."


def _unbroken(cell: str) -> str:
    """A cell whose interval stays on one line."""
    return re.sub(r"\[[^\]]*\]", lambda found: found.group().replace(" ", "\u00a0"), cell)


# ---------------------------------------------------------------------------------------------------- measuring


def measure(block: Block) -> Result:
    """Run the commands of a block in a folder of their own; returns what is to be stored."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [run(command, Path(folder)) for command in block.commands()]
        made = _MEASURE[block.kind](block, Path(folder), outputs)
    from mafs_bench.version import __version__

    return {"command": block.command, "version": __version__, **made}


def run(command: str, folder: Path) -> str:
    """What a command prints, 88 columns wide."""
    print(f"$ {command}", file=sys.stderr)
    environment = {**os.environ, "COLUMNS": "88", "NO_COLOR": "1"}
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def _measured_output(block: Block, folder: Path, outputs: Sequence[str]) -> Result:
    suites = [stored.spec.suite for stored in _runs(folder)]
    return {"suite": suites[0] if suites else "", "output": "\n".join(outputs)}


def _measured_curves(block: Block, folder: Path, outputs: Sequence[str]) -> Result:
    """A row per model, task and corruption: the primary metric, clean and at every severity."""
    from mafs_bench.report.summary import summarise_run

    runs = sorted(_runs(folder), key=lambda run: block.models.index(run.spec.model))
    rows: list[list[str]] = []
    severities: list[int] = []
    for stored in runs:
        for curve in summarise_run(stored):
            severities = list(curve.levels)[1:]
            values = [_interval(e.value, e.low, e.high) for e in curve.levels.values()]
            rows.append([stored.spec.model, curve.task, curve.metric, curve.corruption, *values])
    header = ["model", "task", "metric", "corruption", "clean", *map(str, severities)]
    return {"suite": runs[0].spec.suite, **_selected(header, rows, block.columns)}


def _measured_csv(block: Block, folder: Path, outputs: Sequence[str]) -> Result:
    """The columns of a CSV that the command writes; a column with an interval becomes one cell."""
    with (folder / block.csv).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = [[_csv_cell(line, column) for column in block.columns] for line in lines]
    return {"suite": "", "header": list(block.columns), "rows": rows}


def _csv_cell(line: Mapping[str, str], column: str) -> str:
    if f"{column} low" not in line:
        return line[column]
    value, low, high = (
        float(part) if part else None
        for part in (line[column], line[f"{column} low"], line[f"{column} high"])
    )
    return _interval(value, low, high)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.2f}, {high:.2f}]"


def _selected(header: list[str], rows: list[list[str]], columns: Sequence[str]) -> Result:
    chosen = [header.index(column) for column in columns or header]
    return {"header": [header[i] for i in chosen], "rows": [[row[i] for i in chosen] for row in rows]}


def _runs(folder: Path) -> Iterator[Any]:
    from mafs_bench.runs.store import read_run

    for spec in sorted(folder.glob("runs/*/spec.json")):
        yield read_run(spec.parent)


_MEASURE: Mapping[str, Callable[[Block, Path, Sequence[str]], Result]] = {
    "output": _measured_output,
    "curves": _measured_curves,
    "csv": _measured_csv,
}
"""Kind of a block in ``blocks.toml`` -> how its numbers are read."""


# ------------------------------------------------------------------------------------------------------ command


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, measure, fill or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="fail where a block differs from what is stored")
    parser.add_argument("--measure", nargs="+", metavar="NAME", default=[], help="measure these again; all")
    options = parser.parse_args(arguments)
    known = blocks()
    measurable = [name for name, block in known.items() if block.kind in _MEASURE]
    for name in measurable if options.measure == ["all"] else options.measure:
        if name not in measurable:
            parser.error(f"{name!r} cannot be measured by one command; allowed: {', '.join(measurable)}")
        result = measure(known[name])
        known[name].stored.write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    changed = {
        path: new
        for path in pages()
        if (new := filled(path.read_text(encoding="utf-8"), known)) != path.read_text(encoding="utf-8")
    }
    if options.check and changed:
        print(
            f"{', '.join(str(path.relative_to(ROOT)) for path in changed)}: run python docs/scripts/fill_numbers.py",
            file=sys.stderr,
        )
        return 1
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
