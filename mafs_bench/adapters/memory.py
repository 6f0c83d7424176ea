"""What a device says when its memory runs out. Torch is imported when asked."""

from __future__ import annotations


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is CUDA's out-of-memory error, the CPU allocator's, or Python's."""
    import torch

    words = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError)
        and ("DefaultCPUAllocator" in words or "not enough memory" in words or "out of memory" in words)
    )


def free_device_memory() -> None:
    """Give what torch keeps of an accelerator's memory back to it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
