"""ALBEF's image encoder: a pre-norm vision transformer (Dosovitskiy et al., ICLR 2021).

Parameters carry the names of the official checkpoints.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_EPS = 1e-6


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        patches: torch.Tensor = self.proj(pixels)
        return patches.flatten(2).transpose(1, 2)


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        n, length, width = states.shape
        qkv = self.qkv(states).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: torch.Tensor = self.proj(mixed.transpose(1, 2).reshape(n, length, width))
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(functional.gelu(self.fc1(states)))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = _SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = _Mlp(width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        states = states + self.attn(self.norm1(states))
        out: torch.Tensor = states + self.mlp(self.norm2(states))
        return out


class VisionTransformer(nn.Module):
    """Turns pixels float32 (n, 3, size, size) into states (n, 1 + patches, width), the class token first."""

    def __init__(self, size: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbedding(width, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (size // patch) ** 2, width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode; the last normalisation is applied to every token."""
        patches = self.patch_embed(pixels)
        states = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            states = block(states)
        out: torch.Tensor = self.norm(states)
        return out


def resize_positions(positions: torch.Tensor, patches: int) -> torch.Tensor:
    """Interpolate position embeddings (1, 1 + m, width) to (1, 1 + patches, width).

    Bicubic over the square grid; the class token's own is kept.
    """
    side, new = round((positions.shape[1] - 1) ** 0.5), round(patches**0.5)
    if side == new:
        return positions
    grid = positions[:, 1:].float().transpose(1, 2).view(1, -1, side, side)
    resized = functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1].float(), resized.flatten(2).transpose(1, 2)], dim=1)
