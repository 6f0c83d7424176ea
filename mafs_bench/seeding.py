"""Keyed random streams: the only source of randomness.

A stream is a function of (seed, suite, corruption, sample id). Severity is not in the key, so that one
draw serves five severities and they can be compared sample by sample.
"""

from __future__ import annotations

import hashlib

import numpy as np


def key(seed: int, suite: str, corruption: str, sample_id: str) -> bytes:
    """32 bytes that identify a stream; the parts are length-prefixed so that no two keys collide."""
    parts = (str(seed), suite, corruption, sample_id)
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.shake_256(text.encode()).digest(32)


def stream(seed: int, suite: str, corruption: str, sample_id: str) -> np.random.Generator:
    """Open the stream of that key: a Philox generator (Salmon et al., SC 2011)."""
    words = np.frombuffer(key(seed, suite, corruption, sample_id)[:16], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=words))
