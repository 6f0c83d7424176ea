"""BERT whose upper layers also attend to a second sequence: ALBEF's text, fusion and answer layers.

BERT: Devlin et al., NAACL 2019. Post-norm, exact GELU. Parameters carry the names of the official checkpoints.
Masks are bool, True where attention may look, broadcast to (n, heads, queries, keys).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class BertConfig:
    """Sizes, under the names of ``config_bert.json``; the defaults are the official ones (BERT-base).

    Layers from ``fusion_layer`` on attend to states of width ``encoder_width``.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    fusion_layer: int = 6
    encoder_width: int = 768


class _Residual(nn.Module):
    """Project, add to what came in, normalise."""

    def __init__(self, width: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, states: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.LayerNorm(self.dense(states) + residual)
        return out


class _Attention(nn.Module):
    """Attention from states to ``memory`` (the states themselves, or those of the other encoder)."""

    def __init__(self, config: BertConfig, memory_width: int) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.self = nn.ModuleDict(
            {
                "query": nn.Linear(config.hidden_size, config.hidden_size),
                "key": nn.Linear(memory_width, config.hidden_size),
                "value": nn.Linear(memory_width, config.hidden_size),
            }
        )
        self.output = _Residual(config.hidden_size, config)

    def forward(
        self, states: torch.Tensor, memory: torch.Tensor, visible: torch.Tensor | None
    ) -> torch.Tensor:
        query, key, value = (
            self.self[name](source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name, source in (("query", states), ("key", memory), ("value", memory))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        out: torch.Tensor = self.output(mixed.transpose(1, 2).flatten(2), states)
        return out


class _Layer(nn.Module):
    def __init__(self, config: BertConfig, fuses: bool) -> None:
        super().__init__()
        self.attention = _Attention(config, config.hidden_size)
        if fuses:
            self.crossattention = _Attention(config, config.encoder_width)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = _Residual(config.intermediate_size, config)
        self.fuses = fuses

    def forward(
        self,
        states: torch.Tensor,
        visible: torch.Tensor,
        memory: torch.Tensor | None,
        memory_visible: torch.Tensor | None,
    ) -> torch.Tensor:
        states = self.attention(states, states, visible)
        if self.fuses:
            states = self.crossattention(states, memory, memory_visible)
        out: torch.Tensor = self.output(functional.gelu(self.intermediate["dense"](states)), states)
        return out


class _Embeddings(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        positions = self.position_embeddings.weight[: ids.shape[1]]
        out: torch.Tensor = self.LayerNorm(
            self.word_embeddings(ids) + positions + self.token_type_embeddings.weight[0]
        )
        return out


class _Encoder(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            _Layer(config, fuses=index >= config.fusion_layer) for index in range(config.num_hidden_layers)
        )


class Bert(nn.Module):
    """Text layers below ``fusion_layer``, fusion layers from there on."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.fusion_layer = config.fusion_layer
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)

    def read(self, ids: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Run the text layers: ids int64 (n, l) to states (n, l, hidden_size)."""
        return self._run(self.encoder.layer[: self.fusion_layer], self.embeddings(ids), visible)

    def fuse(
        self,
        states: torch.Tensor,
        visible: torch.Tensor,
        memory: torch.Tensor,
        memory_visible: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run the fusion layers on states (n, l, hidden_size) against memory (n, m, encoder_width)."""
        return self._run(self.encoder.layer[self.fusion_layer :], states, visible, memory, memory_visible)

    @staticmethod
    def _run(
        layers: Iterable[nn.Module],
        states: torch.Tensor,
        visible: torch.Tensor,
        memory: torch.Tensor | None = None,
        memory_visible: torch.Tensor | None = None,
    ) -> torch.Tensor:
        for layer in layers:
            states = layer(states, visible, memory, memory_visible)
        return states


class _Predictions(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = nn.ModuleDict(
            {
                "dense": nn.Linear(config.hidden_size, config.hidden_size),
                "LayerNorm": nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps),
            }
        )
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        hidden = self.transform["LayerNorm"](functional.gelu(self.transform["dense"](states)))
        out: torch.Tensor = self.decoder(hidden)
        return out


class LanguageHead(nn.Module):
    """States (…, hidden_size) to logits over the vocabulary."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.predictions = _Predictions(config)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Give logits (…, vocab_size)."""
        out: torch.Tensor = self.predictions(states)
        return out


class BertDecoder(nn.Module):
    """A causal BERT with a language head, reading the states of an encoder."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config)
        self.cls = LanguageHead(config)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, memory: torch.Tensor, memory_visible: torch.Tensor | None
    ) -> torch.Tensor:
        """Give logits (n, l, vocab_size) of the next token; ids int64 and mask (n, l)."""
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        visible = key_mask(mask) & causal
        states = self.bert.fuse(self.bert.read(ids, visible), visible, memory, memory_visible)
        out: torch.Tensor = self.cls(states)
        return out


def key_mask(mask: torch.Tensor) -> torch.Tensor:
    """A mask (n, l) of tokens that are there as one over keys, bool (n, 1, 1, l)."""
    return mask.bool()[:, None, None, :]
