"""A frozen backbone: what is trained on it is bound to the vectors that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mafs_bench.adapters.base import Adapter
from mafs_bench.adapters.probe import Probe, compare, take_probe

_OUTPUTS = ("images", "texts")


def probe_encoder(adapter: Adapter, precision: str) -> Probe:
    """What a dual encoder answers to the bundled images and texts. Raises ``AdapterError``."""
    probe = take_probe(adapter, precision, needed=())
    kept = [name for name in probe.numbers if name.startswith(_OUTPUTS)]
    return replace(
        probe,
        numbers={name: probe.numbers[name] for name in kept},
        widths={name: probe.widths[name] for name in kept},
        words={},
    )


def difference(stored: Mapping[str, object], here: Probe) -> str | None:
    """In what a backbone differs from the one that ``stored``, a probe's table, was taken of; None: in nothing.

    What was trained in fp32 may be run in half precision, within the tolerance of that.
    """
    try:
        there = Probe.from_table(stored)
    except ValueError:
        return "its file does not hold what the backbone answered"
    return compare(replace(there, precision=here.precision), here)
