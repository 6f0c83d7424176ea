"""Captions from a frozen image embedding: a small decoder whose layers weigh image and language by α.

  layer: x <- x + α_t · self-attention(x) + α_v · cross-attention(x, image),  then a feed-forward block
Self-attention attends to the words so far and, if given, to the embedding of a context text: the language state. α
is computed at every position. The signals are those of an image-text pair, with the language state in place of the
text. They come from the same decoder without the image (α = (0, 1)):
  text_entropy  entropy of the next word predicted from language alone, divided by log V
  agreement, divergence  between the image v and ℓ, the caption embedding predicted from language alone
Every fusion uses this decoder; only the source of α differs. If the image is missing, α_v is exactly 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mafs_bench.mafs.fusion import FusionInput, WeightedFusion
from mafs_bench.mafs.signals import Prototypes, normalised_entropy, pair_signals
from mafs_bench.mafs.vocabulary import END, PAD, START, UNKNOWN

HEADS = 4
MEMORY = 4
"""Number of tokens into which an embedding is unfolded for attention."""

KeysValues = tuple[Tensor, Tensor]
"""Keys and values, each (n, heads, positions, width / heads)."""
Cache = list[KeysValues]
"""Keys and values of every layer."""


@dataclass(frozen=True)
class Inputs:
    """n images with contexts: v, context (n, d), unit length; present (n, 2), 0 or 1 for image and context."""

    v: Tensor
    context: Tensor
    present: Tensor

    @property
    def modalities(self) -> Tensor:
        """(n, 2): whether the image is present; the language state always is."""
        return torch.stack([self.present[:, 0], torch.ones_like(self.present[:, 0])], dim=1)


class _Attention(nn.Module):
    """Multi-head attention with cacheable keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = self.key_value(x).chunk(2, dim=-1)
        return _heads(keys), _heads(values)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        mixed = nn.functional.scaled_dot_product_attention(
            _heads(self.query(x)), keys, values, attn_mask=mask
        )
        projected: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return projected


def _heads(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:2], HEADS, -1).transpose(1, 2)


class MixedLayer(nn.Module):
    """x + α_t · self-attention + α_v · cross-attention, then a feed-forward block; pre-norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.said = _Attention(width)
        self.seen = _Attention(width)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(
        self, x: Tensor, alpha: Tensor | None, image: KeysValues, past: KeysValues, mask: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """x (n, l, width), α (n, l, 2), keys and values of image and past -> x, and keys and values of past and x.

        Without α the image is not used: α = (0, 1).
        """
        normed = self.norm(x)
        said = tuple(torch.cat(both, dim=2) for both in zip(past, self.said.keys_values(normed), strict=True))
        keys, values = said
        language = self.said(normed, keys, values, mask)
        if alpha is None:
            x = x + language
        else:
            x = x + alpha[..., 1:] * language + alpha[..., :1] * self.seen(normed, *image)
        return x + self.feed(x), (keys, values)


class CaptionDecoder(nn.Module):
    """Maps token ids (n, l) to next-word logits (n, l, V) and ℓ (n, l, d); the output head is tied."""

    def __init__(self, dim: int, n_words: int, length: int, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.length = length
        self.scale = dim**0.5
        self.words = nn.Embedding(n_words, width)
        self.positions = nn.Embedding(length, width)
        self.image = nn.Linear(dim, MEMORY * width)
        self.context = nn.Linear(dim, MEMORY * width)
        self.layers = nn.ModuleList([MixedLayer(width) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.meaning = nn.Linear(width, dim)
        nn.init.normal_(self.words.weight, std=width**-0.5)
        nn.init.normal_(self.positions.weight, std=width**-0.5)

    def unfold(self, inputs: Inputs) -> tuple[Cache, Cache]:
        """Keys and values of the image and of the context, per layer."""
        image = self.image(self.scale * inputs.v).unflatten(-1, (MEMORY, -1))
        context = self.context(self.scale * inputs.context).unflatten(-1, (MEMORY, -1))
        layers: list[MixedLayer] = list(self.layers)  # type: ignore[arg-type]
        return [one.seen.keys_values(image) for one in layers], [
            one.said.keys_values(context) for one in layers
        ]

    def forward(
        self, ids: Tensor, alpha: Tensor | None, image: Cache, cache: Cache, context: Tensor
    ) -> tuple[Tensor, Tensor, Cache]:
        """Continue from ``cache`` with token ids (n, l) and weights α (n, l, 2); without α from language alone.

        context: (n,), 0 if there is none.
        """
        start = cache[0][0].shape[2] - MEMORY
        x = self.words(ids) + self.positions(torch.arange(start, start + ids.shape[1]))
        mask = self._mask(ids.shape[1], start, context)
        kept = []
        for layer, seen, past in zip(self.layers, image, cache, strict=True):
            x, now = layer(x, alpha, seen, past, mask)
            kept.append(now)
        x = self.norm(x)
        return x @ self.words.weight.T, nn.functional.normalize(self.meaning(x), dim=-1), kept

    @staticmethod
    def _mask(new: int, start: int, context: Tensor) -> Tensor:
        """Causal mask, bool (n, 1, new, MEMORY + start + new), with the context if there is one."""
        causal = torch.ones(new, start + new, dtype=torch.bool).tril(start)
        given = (context > 0)[:, None, None, None].expand(-1, 1, new, MEMORY)
        return torch.cat([given, causal.expand(len(context), 1, -1, -1)], dim=-1)


class Captioner(nn.Module):
    """A decoder, the prototypes for its image signals, and the fusion that computes α at every position."""

    def __init__(self, fusion: WeightedFusion, decoder: CaptionDecoder, prototypes: Prototypes) -> None:
        super().__init__()
        self.fusion = fusion
        self.decoder = decoder
        self.prototypes = prototypes

    def weigh(self, inputs: Inputs, logits: Tensor, meaning: Tensor) -> Tensor:
        """α (n, l, 2) from the language-only logits (n, l, V) and predicted embeddings (n, l, d)."""
        n, positions = meaning.shape[:2]
        alpha: Tensor = self.fusion.weigh(self.signals(inputs, logits, meaning))
        return alpha.view(n, positions, 2)

    def signals(self, inputs: Inputs, logits: Tensor, meaning: Tensor) -> FusionInput:
        """The n · l pairs of image and language state. No gradient flows through the signals."""
        logits, meaning = logits.detach().flatten(0, 1), meaning.detach().flatten(0, 1)
        times = len(meaning) // len(inputs.v)
        v = inputs.v.repeat_interleave(times, 0)
        signals = pair_signals(
            self.prototypes, v, meaning, {"text_entropy": normalised_entropy(writable(logits))}
        )
        return FusionInput(v, meaning, signals, inputs.modalities.repeat_interleave(times, 0))

    def forward(self, inputs: Inputs, ids: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Token ids (n, l) -> next-word logits, α (n, l, 2), and from language alone: logits, ℓ."""
        image, context = self.decoder.unfold(inputs)
        there = inputs.present[:, 1]
        alone, meaning, _ = self.decoder(ids, None, image, context, there)
        alpha = self.weigh(inputs, alone, meaning)
        logits, _, _ = self.decoder(ids, alpha, image, context, there)
        return logits, alpha, alone, meaning

    def write(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Greedy captions: token ids (n, length), padded after the end token, and α (n, length, 2), 0 for padding."""
        image, context = self.decoder.unfold(inputs)
        alone_cache, cache = context, context
        there = inputs.present[:, 1]
        word = torch.full((len(inputs.v), 1), START)
        done = torch.zeros(len(inputs.v), 1, dtype=torch.bool)
        said, weighed = [], []
        for _ in range(self.decoder.length):
            alone, meaning, alone_cache = self.decoder(word, None, image, alone_cache, there)
            alpha = self.weigh(inputs, alone, meaning)
            logits, _, cache = self.decoder(word, alpha, image, cache, there)
            word = writable(logits).argmax(-1).masked_fill(done, PAD)
            said.append(word)
            weighed.append(alpha.masked_fill(done[:, :, None], 0))
            done = done | (word == END)
            if done.all():
                break
        pad = self.decoder.length - len(said)
        return (
            nn.functional.pad(torch.cat(said, 1), (0, pad), value=PAD),
            nn.functional.pad(torch.cat(weighed, 1), (0, 0, 0, pad)),
        )


def writable(logits: Tensor) -> Tensor:
    """Logits (…, V) without the tokens that a caption never contains: padding, start and the unknown word."""
    marks = torch.zeros(logits.shape[-1], dtype=torch.bool)
    marks[[PAD, START, UNKNOWN]] = True
    return logits.masked_fill(marks, -1e9)
