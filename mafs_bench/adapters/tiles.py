"""Forward passes in tiles of one fixed size, so that no result depends on the batch size.

Matrix products choose their kernel by shape, and kernels differ in the last bits. A row that is always
computed in a tile of the same shape, at any position, gives the same bits for any batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

_CPU_ROWS = 16
_ACCELERATOR_ROWS = 64
"""The default batch size: larger tiles would be half padding."""


def tile_rows(device: torch.device) -> int:
    """Rows of a tile: small where a padded tile costs time, large where small ones leave a device idle."""
    return _CPU_ROWS if device.type == "cpu" else _ACCELERATOR_ROWS


def run_in_tiles(
    forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, rows: int
) -> torch.Tensor:
    """Apply ``forward`` to (n, …) in tiles of ``rows``, the last one padded with its last row."""
    outputs = []
    for tile in torch.split(inputs, rows):
        padding = tile[-1:].expand(rows - len(tile), *tile.shape[1:])
        outputs.append(forward(torch.cat([tile, padding]))[: len(tile)])
    return torch.cat(outputs)
