"""Captioning with a frozen dual encoder and a trained decoder: the base class of MA-AFS and fixed fusions."""

from __future__ import annotations

import hashlib
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mafs_bench.adapters.base import Caption, Embeddings, Settings
from mafs_bench.adapters.tiles import run_in_tiles
from mafs_bench.errors import WeightsError
from mafs_bench.mafs.caption_weights import CaptionerWeights, find_captioner, load_captioner
from mafs_bench.mafs.captioning import Inputs
from mafs_bench.mafs.catalogue import get_fusion
from mafs_bench.mafs.fused_adapter import FusedBackbone, ScheduledBackbone

_TILE = 64


class CaptioningBackbone(FusedBackbone):
    """A fused backbone that also generates captions, if a captioner was trained for its weights."""

    _captioner: CaptionerWeights | None = None

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load the backbone, the fusion and, if one was trained, the captioner. Raises ``WeightsError``."""
        adapter = super().load(argument, settings)
        file = find_captioner(adapter._captions(), adapter._backbone.weights)
        if file is None:
            adapter.unsupported = {**adapter.unsupported, "caption_embedded": adapter._no_captioner()}
        else:
            adapter._captioner = load_captioner(file)
            adapter._require_same_backbone(file, adapter._captioner.probe, adapter._caption_remedy())
            adapter.training_data = (*adapter.training_data, *adapter._captioner.data)
            both = f"{adapter.weights}{adapter._captioner.digest}"
            adapter.weights = hashlib.sha256(both.encode()).hexdigest()
        return adapter

    def caption_embedded(self, images: Embeddings, texts: Embeddings) -> list[Caption]:
        """Caption n images by greedy decoding, with their texts, if present, as context.

        ``alpha_image`` is the mean of α_v over the words of a caption. Raises ``WeightsError`` without a captioner.
        """
        trained = self._captioner
        if trained is None:
            raise WeightsError(self._no_captioner())

        def write(tile: Tensor) -> Tensor:
            given = Inputs(tile[:, :dim], tile[:, dim : 2 * dim], tile[:, 2 * dim :])
            ids, alpha = trained.captioner.write(given)
            return torch.cat([ids, alpha[..., 0], alpha[..., 1]], dim=1)

        dim = images.vectors.shape[1]
        present = np.stack([images.present, texts.present], axis=1).astype(np.float32)
        inputs = torch.from_numpy(np.concatenate([images.vectors, texts.vectors, present], axis=1))
        with torch.inference_mode():
            written = run_in_tiles(write, inputs, _TILE)
        words, alpha_image, alpha_text = written.chunk(3, dim=1)
        lengths = ((alpha_image + alpha_text) > 0).sum(1)
        return [
            Caption(trained.vocabulary.decode(ids), {"alpha_image": a, "alpha_text": b})
            for ids, a, b in zip(
                words.long().tolist(),
                (alpha_image.sum(1) / lengths).tolist(),
                (alpha_text.sum(1) / lengths).tolist(),
                strict=True,
            )
        ]

    def _captions(self) -> str:
        """The fusion whose captioner is used."""
        return get_fusion(self.fusion).captioner

    def _no_captioner(self) -> str:
        return f"no {self._captions()!r} captioner has been trained for {self._backbone.name}; {self._caption_remedy()}"

    def _caption_remedy(self) -> str:
        return (
            f"train one with: mafs-bench train scheduler --backbone {self._backbone.name} --fusion {self._captions()} "
            "--task captioning --dataset DATASET"
        )


class ScheduledCaptioning(CaptioningBackbone, ScheduledBackbone):
    """MA-AFS (arXiv 2506.12733; this project's reconstruction from the public abstract), with a captioner."""
