"""Keyed random streams: the only source of randomness.

A stream is a function of (seed, suite, corruption, sample id). Severity is not in the key, so that all five
severities use the same draws and can be compared sample by sample.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_BIG_ENDIAN = sys.byteorder == "big"


def key(seed: int, suite: str, corruption: str, sample_id: str) -> bytes:
    """The 32-byte key of a stream."""
    return hashlib.shake_256(_identify(seed, suite, corruption, sample_id)).digest(32)


def stream(seed: int, suite: str, corruption: str, sample_id: str) -> np.random.Generator:
    """Open the stream of that key: a Philox generator (Salmon et al., SC 2011)."""
    return _philox(key(seed, suite, corruption, sample_id))


class KeyedStream:
    """A cheap stream for short inputs: uniform 32-bit integers directly from SHAKE-256.

    Opening one takes a tenth of the time of a ``numpy`` generator, which would dominate the cost of a caption.
    ``generator`` gives the ``numpy`` generator with the same key, for other distributions.
    """

    __slots__ = ("_hash", "_used")

    def __init__(self, seed: int, suite: str, corruption: str, sample_id: str) -> None:
        self._hash = hashlib.shake_256(_identify(seed, suite, corruption, sample_id))
        self._used = 0

    def uint32(self, n: int) -> Sequence[int]:
        """Draw the next ``n`` integers, each uniform in [0, 2**32)."""
        begin, end = self._used, self._used + 4 * n
        self._used = end
        integers = array("I", self._hash.digest(end)[begin:])
        if _BIG_ENDIAN:
            integers.byteswap()
        return integers

    def generator(self) -> np.random.Generator:
        """Open the Philox generator of this key: the same as ``stream`` gives."""
        return _philox(self._hash.digest(32))


def _identify(seed: int, suite: str, corruption: str, sample_id: str) -> bytes:
    """Join the parts, each prefixed with its length, so that no two keys collide."""
    return f"{_without_sample(seed, suite, corruption)}{len(sample_id)}:{sample_id}".encode()


@lru_cache(maxsize=64)
def _without_sample(seed: int, suite: str, corruption: str) -> str:
    number = str(seed)
    return f"{len(number)}:{number}{len(suite)}:{suite}{len(corruption)}:{corruption}"


def _philox(identity: bytes) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.frombuffer(identity[:16], dtype="<u8")))
