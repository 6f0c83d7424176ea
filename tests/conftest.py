"""Settings that hold for every test."""

import os

os.environ.setdefault("MAFS_BENCH_NO_JAVA", "1")  # METEOR takes seconds to start; its own test asks for it
