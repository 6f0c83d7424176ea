"""The former name of ``adapters.base``, for adapters written before version 0.2."""

from mafs_bench.adapters.base import Adapter, Answer, Caption, Embeddings, Fused, Settings

__all__ = ["Adapter", "Answer", "Caption", "Embeddings", "Fused", "Settings"]
