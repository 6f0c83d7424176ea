"""A frozen backbone is a dual encoder; what is trained on it works only with the embeddings that it computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter
from mafs_bench.adapters.load import adapter_class, capabilities
from mafs_bench.adapters.probe import Probe, compare, take_probe
from mafs_bench.errors import UsageError

_OUTPUTS = ("images", "texts")


def require_dual_encoder(spec: str, purpose: str) -> None:
    """Raise ``UsageError`` unless the model encodes images and texts; ``purpose``: "be trained on"."""
    if not capabilities(adapter_class(spec)) >= DUAL_ENCODER:
        raise UsageError(f"{spec} cannot {purpose}: it is not a dual encoder")


def probe_encoder(adapter: Adapter, precision: str) -> Probe:
    """The embeddings that a dual encoder gives for the bundled images and texts. Raises ``AdapterError``."""
    probe = take_probe(adapter, precision, needed=())
    kept = [name for name in probe.numbers if name.startswith(_OUTPUTS)]
    return replace(
        probe,
        numbers={name: probe.numbers[name] for name in kept},
        widths={name: probe.widths[name] for name in kept},
        words={},
    )


def difference(stored: Mapping[str, object], here: Probe) -> str | None:
    """How a backbone differs from the one whose probe is in ``stored``; None if it does not.

    A fusion trained in fp32 may run in half precision, within the tolerance of half precision.
    """
    try:
        there = Probe.from_table(stored)
    except ValueError:
        return "its file has no probe of the backbone"
    return compare(replace(there, precision=here.precision), here)
