"""Adapters that fail in a way of their own: memory, not-a-number, zero length, a preprocessing that kills."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import current_process
from pathlib import Path

import numpy as np
import torch

from tests.support.toy import ToyEncoder

_TOO_MANY = 5


class _Named(ToyEncoder):
    weights = "0" * 64


class NotANumber(_Named):
    """One embedding is not a number."""

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        vectors = super().encode_images(images)
        vectors[-1, 0] = np.nan
        return vectors


class ZeroLength(_Named):
    """One embedding is nothing."""

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        vectors = super().encode_images(images)
        vectors[-1] = 0
        return vectors


class SmallMemory(_Named):
    """Holds at most five images."""

    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        if len(images) > _TOO_MANY:
            raise self.error
        return super().encode_images(images)


class SmallHostMemory(SmallMemory):
    """As the CPU allocator says it."""

    error = RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


class Slow(_Named):
    """Takes a while over each batch."""

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        time.sleep(0.1)
        return super().encode_images(images)


def _mean(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image.mean((0, 1)), image.std((0, 1)), [1.0]]).astype(np.float32) - 60


def _in_a_worker() -> bool:
    """Whether this is a child of the process that runs the model (the probe preprocesses there)."""
    return ":" in current_process().name


def _kill_once(image: np.ndarray) -> np.ndarray:
    """Kill this process the first time that any worker comes here."""
    if not _in_a_worker():
        return _mean(image)
    mark = Path(os.environ["SURVIVAL_MARK"])
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return _mean(image)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _kill(image: np.ndarray) -> np.ndarray:
    if _in_a_worker():
        os.kill(os.getpid(), signal.SIGKILL)
    return _mean(image)


class _Pixels:
    weights = "0" * 64
    encode_texts = ToyEncoder.encode_texts
    fuse = ToyEncoder.fuse

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return (pixels / np.linalg.norm(pixels, axis=1, keepdims=True)).astype(np.float32)


class Whole(_Pixels):
    """Preprocesses in the workers, as nothing happened."""

    preprocess = staticmethod(_mean)


class KillsOnce(_Pixels):
    """One worker dies."""

    preprocess = staticmethod(_kill_once)


class KillsAlways(_Pixels):
    """Every worker dies."""

    preprocess = staticmethod(_kill)
