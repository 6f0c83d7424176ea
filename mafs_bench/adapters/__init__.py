"""Models behind protocols. A spec is ``name``, ``name:argument`` or ``path/to/file.py:ClassName``."""

from mafs_bench.adapters.fusions import FUSED, FUSIONS, SHORT_NAMES
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
        FUSED: "mafs_bench.mafs.fused_adapter:FusedBackbone",
        "hf": "mafs_bench.adapters.hf:HuggingFace",
        "siglip": "mafs_bench.adapters.siglip:SigLip",
    },
)


def model_names() -> tuple[str, ...]:
    """All models that need no argument, sorted: the registered ones, and each fusion on the bundled CLIP."""
    registered = (name for name in ADAPTERS.names() if name != FUSED)
    fused = (f"clip+{name}" for name in FUSIONS.names() if ("clip", name) not in SHORT_NAMES.values())
    return tuple(sorted({*registered, *SHORT_NAMES, *fused}))
