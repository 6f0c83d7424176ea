"""The command line starts without what only some commands need."""

from __future__ import annotations

import subprocess
import sys

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
