"""The command line starts without what only some commands need."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from mafs_bench.cli import app
from mafs_bench.cli.groups import HEADINGS

HEAVY = ("torch", "numpy", "pandas", "pyarrow", "matplotlib", "transformers", "open_clip", "rich.markdown")
PROGRAM = f"""
import sys
sys.argv = ["mafs-bench", "--help"]
from mafs_bench.cli import main
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules])
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command_once_under_its_heading() -> None:
    registered = {info.name for info in (*app.registered_commands, *app.registered_groups)}
    headed = [name for names in HEADINGS.values() for name in names]
    assert sorted(headed) == sorted(registered)
    lines = CliRunner().invoke(app, ["--help"]).output.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and not line.startswith((" ", "Options"))] == [
        *HEADINGS
    ]
    assert not any(line.startswith("  ") and line.endswith("...") for line in lines)
    for name in registered:
        assert sum(line.split()[:1] == [name] for line in lines) == 1
