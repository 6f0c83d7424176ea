"""Models behind protocols. A spec is ``name``, ``name:argument`` or ``path/to/file.py:ClassName``."""

from mafs_bench.registry import Registry

ADAPTERS = Registry(
    kind="model",
    group="mafs_bench.adapters",
    entries={
        "albef": "mafs_bench.adapters.albef.adapter:Albef",
        "api": "mafs_bench.adapters.endpoint.adapter:Endpoint",
        "blip": "mafs_bench.adapters.blip.adapter:Blip",
        "chance": "mafs_bench.adapters.chance:Chance",
        "clip": "mafs_bench.adapters.clip:Clip",
        "clip+concat": "mafs_bench.mafs.fusion_baselines:Concat",
        "clip+image-only": "mafs_bench.mafs.fusion_baselines:ImageOnly",
        "clip+mean": "mafs_bench.mafs.fusion_baselines:Mean",
        "clip+pdf": "mafs_bench.mafs.fusion_baselines:PDF",
        "clip+qmf": "mafs_bench.mafs.fusion_baselines:QMF",
        "clip+static": "mafs_bench.mafs.fusion_baselines:Static",
        "clip+tmc": "mafs_bench.mafs.fusion_baselines:TMC",
        "clip+text-only": "mafs_bench.mafs.fusion_baselines:TextOnly",
        "hf": "mafs_bench.adapters.hf:HuggingFace",
        "mafs-albef": "mafs_bench.mafs.mafs_towers:MafsAlbef",
        "mafs-blip": "mafs_bench.mafs.mafs_towers:MafsBlip",
        "mafs-clip": "mafs_bench.mafs.mafs_clip:MafsClip",
        "mafs-clip@2": "mafs_bench.mafs.mafs_clip:MafsClip2",
        "siglip": "mafs_bench.adapters.siglip:SigLip",
    },
)
