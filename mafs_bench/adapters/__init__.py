"""Models behind protocols. A spec is ``name``, ``name:argument`` or ``path/to/file.py:ClassName``."""

from mafs_bench.registry import Registry

ADAPTERS = Registry(
    kind="model",
    group="mafs_bench.adapters",
    entries={
        "chance": "mafs_bench.adapters.chance:Chance",
        "clip": "mafs_bench.adapters.clip:Clip",
        "mafs-clip": "mafs_bench.adapters.mafs_clip:MafsClip",
    },
)
