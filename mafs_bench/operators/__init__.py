"""The corruption engine: pure functions, found by name."""

from mafs_bench.registry import Registry

_IMAGE = "mafs_bench.operators.image"
_TEXT = "mafs_bench.operators.text"

OPERATORS = Registry(
    kind="operator",
    group="mafs_bench.operators",
    entries={
    },
)
