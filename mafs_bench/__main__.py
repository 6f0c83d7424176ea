"""``python -m mafs_bench``, and the entry point of ``mafs-bench``."""

import sys
import traceback
from contextlib import suppress

from mafs_bench.errors import failure_code


def main() -> None:
    """Run the command line. Exits with ``failure_code`` where it cannot be imported, or cannot even say what failed."""
    try:
        from mafs_bench.cli import main as run

        run()
    except Exception:
        with suppress(OSError):  # stderr may be closed
            traceback.print_exc()
        sys.exit(failure_code(sys.argv[1:]))


if __name__ == "__main__":
    main()
