"""``python -m mafs_bench``, and the entry point of ``mafs-bench``."""

import sys
import traceback

from mafs_bench.errors import failure_code


def main() -> None:
    """Run the command line. Exits with ``failure_code`` where even that cannot be imported."""
    try:
        from mafs_bench.cli import main as run
    except Exception:
        traceback.print_exc()
        sys.exit(failure_code(sys.argv[1:]))
    run()


if __name__ == "__main__":
    main()
