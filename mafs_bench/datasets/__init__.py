"""Data sets by name. A spec is ``name``, ``name:variant`` or a folder of the user's."""

from mafs_bench.registry import Registry

DATASETS = Registry(
    kind="data set",
    group="mafs_bench.datasets",
    entries={
        "scenes": "mafs_bench.datasets.scenes:load",
    },
)
