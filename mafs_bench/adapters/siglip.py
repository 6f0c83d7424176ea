"""SigLIP models of open_clip as an adapter: two towers trained with a sigmoid a pair.

Zhai et al., ICCV 2023. Everything but the match probability is as in ``clip``.

Specs: siglip:ViT-B-16-SigLIP/webli, siglip:ViT-B-16-SigLIP2/webli
"""

from __future__ import annotations

from typing import Self

import numpy as np

from mafs_bench.adapters.base import Embeddings, Settings
from mafs_bench.adapters.clip import Clip
from mafs_bench.adapters.open_clip_models import load_model
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.types import FloatArray


class SigLip(Clip):
    """A SigLIP model: it also says how probable it is that image and text belong together."""

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load the model that ``argument`` names, in one of the forms of ``open_clip_models``.

        Raises ``WeightsError`` where none is named, ``UsageError`` for a model that was not trained with a
        sigmoid, and what ``load_model`` raises.
        """
        if argument == "":
            raise WeightsError("no SigLIP is bundled; name one, such as siglip:ViT-B-16-SigLIP/webli")
        loaded = load_model(argument, settings.device)
        if getattr(loaded.model, "logit_bias", None) is None:
            raise UsageError(f"{argument} was not trained with a sigmoid; it is a model for clip:{argument}")
        return cls(f"siglip:{argument}", loaded, settings, domain="")

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Sigmoid of the scaled and shifted cosine of aligned pairs, float32 (n,)."""
        cosines = (images.vectors.astype(np.float64) * texts.vectors).sum(axis=1)
        logits = self.logit_scale * cosines + self.logit_bias
        probabilities: FloatArray = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return probabilities
