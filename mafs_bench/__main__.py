"""``python -m mafs_bench``."""

from mafs_bench.cli import main

main()
