"""Data sets by name. A spec is ``name``, ``name:variant`` or a folder of the user."""

from mafs_bench.registry import Registry

DATASETS = Registry(
    kind="data set",
    group="mafs_bench.datasets",
    entries={
        "coco": "mafs_bench.datasets.coco:load",
        "flickr30k": "mafs_bench.datasets.flickr30k:load",
        "scenes": "mafs_bench.datasets.scenes:load",
        "vqav2": "mafs_bench.datasets.vqav2:load",
    },
)
