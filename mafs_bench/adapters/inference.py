"""How a forward pass is run: without gradients, in the precision asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from mafs_bench.adapters.base import Settings
from mafs_bench.types import FloatArray

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def inference(settings: Settings) -> Iterator[None]:
    """Switch gradients off and, for "bf16" and "fp16", automatic mixed precision on."""
    dtype = _AUTOCAST.get(settings.precision)
    device = torch.device(settings.device).type
    with torch.inference_mode(), torch.autocast(device, dtype=dtype, enabled=dtype is not None):
        yield


def to_device(array: npt.NDArray[np.generic], device: torch.device) -> torch.Tensor:
    """Copy an array to a device. The host does not wait for the copy to CUDA, which comes from pinned memory."""
    host = torch.tensor(array)
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host.to(device)


def to_host(tensor: torch.Tensor) -> FloatArray:
    """Give a result as float32 on the host."""
    return tensor.float().cpu().numpy()


def pack_states(states: torch.Tensor, settings: Settings) -> FloatArray:
    """Give token states as an array to keep: float32, or float16 where the model does not run in float32."""
    dtype = torch.float32 if settings.precision == "fp32" else torch.float16
    return states.to(dtype).cpu().numpy()


def forbid_tf32() -> None:
    """Let fp32 mean fp32: no matrix product or convolution is rounded to TF32 on an NVIDIA GPU."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def allows_tf32() -> bool:
    """Whether a model has switched TF32 on again, for matrix products or for convolutions."""
    try:
        return bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
    except RuntimeError:  # switched on through torch's newer settings, which the old ones then refuse to read
        return True
