"""ALBEF's two models: image-text retrieval and visual question answering (arXiv 2107.07651, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional

from mafs_bench.adapters.albef.bert import Bert, BertConfig, BertDecoder, key_mask
from mafs_bench.adapters.albef.vit import VisionTransformer

DECODER_LAYERS = 6


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Sizes of the image encoder; ``size`` is the side of its input in pixels."""

    size: int = 384
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12

    def build(self) -> VisionTransformer:
        """Make the encoder, with weights still to be loaded."""
        return VisionTransformer(self.size, self.patch, self.width, self.depth, self.heads)


class AlbefRetrieval(nn.Module):
    """Two encoders for contrast and fusion layers for matching."""

    def __init__(self, vision: VisionConfig, bert: BertConfig, embed_dim: int) -> None:
        super().__init__()
        self.visual_encoder = vision.build()
        self.text_encoder = Bert(bert)
        self.vision_proj = nn.Linear(vision.width, embed_dim)
        self.text_proj = nn.Linear(bert.hidden_size, embed_dim)
        self.itm_head = nn.Linear(bert.hidden_size, 2)

    def image_features(self, states: torch.Tensor) -> torch.Tensor:
        """States of ``visual_encoder`` (n, tokens, width) to unit features (n, embed_dim)."""
        return functional.normalize(self.vision_proj(states[:, 0]), dim=-1)

    def text_states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids int64 and mask (n, l) to states (n, l, hidden_size)."""
        return self.text_encoder.read(ids, key_mask(mask))

    def text_features(self, states: torch.Tensor) -> torch.Tensor:
        """States (n, l, hidden_size) to unit features (n, embed_dim)."""
        return functional.normalize(self.text_proj(states[:, 0]), dim=-1)

    def match(
        self, image_states: torch.Tensor, text_states: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Logits (n, 2) of "no match" and "match" for aligned pairs."""
        logits: torch.Tensor = self.itm_head(self.fused(image_states, text_states, mask)[:, 0])
        return logits

    def fused(
        self, image_states: torch.Tensor, text_states: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """States (n, l, hidden_size) of aligned pairs, off whose first the matching head reads."""
        return self.text_encoder.fuse(text_states, key_mask(mask), image_states)


class AlbefVqa(nn.Module):
    """An image, a question and a decoder that says how probable an answer is."""

    def __init__(self, vision: VisionConfig, bert: BertConfig, decoder_layers: int = DECODER_LAYERS) -> None:
        super().__init__()
        self.visual_encoder = vision.build()
        self.text_encoder = Bert(bert)
        self.text_decoder = BertDecoder(replace(bert, fusion_layer=0, num_hidden_layers=decoder_layers))

    def encode_questions(
        self, image_states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Question ids int64 (n, l) on image states (n, tokens, width) to fused states (n, l, hidden_size)."""
        visible = key_mask(mask)
        return self.text_encoder.fuse(self.text_encoder.read(ids, visible), visible, image_states)

    def answer_losses(
        self,
        question_states: torch.Tensor,
        question_mask: torch.Tensor,
        answer_ids: torch.Tensor,
        answer_mask: torch.Tensor,
    ) -> torch.Tensor:
        """Negative log-likelihoods (n,) of answers int64 (n, l), each a start token, the answer, an end token."""
        logits = self.text_decoder(answer_ids, answer_mask, question_states, key_mask(question_mask))
        losses = functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), answer_ids[:, 1:].flatten(), reduction="none"
        )
        return (losses.view(len(answer_ids), -1) * answer_mask[:, 1:]).sum(dim=1)

    def rank_answers(
        self,
        question_states: torch.Tensor,
        question_mask: torch.Tensor,
        answer_ids: torch.Tensor,
        answer_mask: torch.Tensor,
        k: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Order the k answers whose first tokens are most probable by the whole answer.

        Gives positions among the answers int64 (n, k), best first, and their shares (n, k), which sum to 1.
        As in the official code the first token counts twice: by itself and within the answer.
        """
        n = len(question_states)
        start = answer_ids[:1, :1].expand(n, 1)
        first = self.text_decoder(start, torch.ones_like(start), question_states, key_mask(question_mask))
        first_probabilities = first[:, 0].float().softmax(dim=-1)[:, answer_ids[:, 1]]
        top_probabilities, top = first_probabilities.topk(k, dim=1)
        losses = self.answer_losses(
            question_states.repeat_interleave(k, dim=0),
            question_mask.repeat_interleave(k, dim=0),
            answer_ids[top.flatten()],
            answer_mask[top.flatten()],
        )
        shares = (top_probabilities.log() - losses.view(n, k)).softmax(dim=-1)
        shares, order = shares.topk(k, dim=1)
        return top.gather(1, order), shares
