"""CLIP models of open_clip as an adapter: two towers, fixed-weight fusion, answers by ranking.

CLIP: Radford et al., ICML 2021. open_clip: Cherti et al., CVPR 2023.

Specs: clip, clip:ViT-B-32/openai, clip:ViT-L-14/laion2b_s32b_b82k, clip:local-dir:FOLDER
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from open_clip.utils import to_2tuple

from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.adapters.cards import training_data_of
from mafs_bench.adapters.inference import inference, to_device, to_host
from mafs_bench.adapters.open_clip_models import BUNDLED, OpenClipModel, load_model
from mafs_bench.adapters.ranked_answers import AnswerRanker
from mafs_bench.adapters.text_signals import all_token_ids, piece_splitter, text_signals
from mafs_bench.adapters.text_towers import encode_texts
from mafs_bench.adapters.tiles import run_in_tiles, tile_rows
from mafs_bench.adapters.vectors import as_embeddings, mean_of_pairs, unit_rows
from mafs_bench.types import FloatArray, Image


class Clip(Adapter):
    """A CLIP model. Missing images are the grey image, missing texts the empty string, both encoded."""

    public = "clip:ViT-B-32/openai"

    def __init__(self, name: str, loaded: OpenClipModel, settings: Settings, domain: str) -> None:
        """Wrap a loaded model; ``load`` is the usual way in."""
        self.name = name
        self.weights = loaded.weights
        self.sources = {"weights": loaded.commit} if loaded.commit else {}
        self.domain = domain
        self.preprocess = loaded.preprocess
        self.logit_scale = loaded.logit_scale
        self.logit_bias = loaded.logit_bias
        self._loaded = loaded
        self._settings = settings
        self._split = piece_splitter(loaded.tokenizer)
        self._ranker = AnswerRanker(lambda texts: self.encode_texts(texts).vectors, self.logit_scale)

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load the model that ``argument`` names, in one of the forms of ``open_clip_models``.

        Raises ``WeightsError``, ``UnknownNameError`` or ``UsageError``.
        """
        name = f"clip:{argument}" if argument else "clip"
        domain = "" if argument else "scenes"
        adapter = cls(name, load_model(argument, settings.device), settings, domain)
        if not argument or argument.startswith("local-dir:"):
            folder = Path(argument.removeprefix("local-dir:")).expanduser() if argument else BUNDLED
            adapter.training_data = training_data_of(folder)
        return adapter

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> FloatArray:
        """Encode float32 (n, 3, h, w) of ``preprocess`` to float32 (n, d), unit length."""
        return self.start_pixels(pixels)()

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], FloatArray]:
        """Begin ``encode_pixels``; only the function that is given back waits for the device."""
        model, device = self._loaded.model, self._loaded.device
        with inference(self._settings):
            features = run_in_tiles(model.encode_image, to_device(pixels, device), tile_rows(device))
        return lambda: unit_rows(to_host(features), self.name, "image")

    def compile(self) -> None:
        """Compile the image tower, and run it once so that whatever is missing for that is known now."""
        visual = self._loaded.model.visual
        visual.compile(dynamic=False)
        height, width = to_2tuple(visual.image_size)
        self.encode_pixels(np.zeros((1, 3, height, width), dtype=np.float32))

    def parameter_count(self) -> int:
        """Parameters of both towers."""
        return sum(parameter.numel() for parameter in self._loaded.model.parameters())

    def tokenize(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Token ids (n, context), truncated to the context as open_clip does."""
        return self._loaded.tokenizer(list(texts)).numpy()

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> Sequence[Sequence[int]]:
        """Token ids of n texts, cut at the context or not."""
        if cut:
            return [row.tolist() for row in self.tokenize(texts)]
        return [all_token_ids(self._loaded.tokenizer, text) for text in texts]

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode n texts, with the signals of ``text_signals``; empty ones count as not present."""
        with inference(self._settings):
            features = to_host(encode_texts(self._loaded, texts))
        present = np.array([text != "" for text in texts], dtype=bool)
        return Embeddings(unit_rows(features, self.name, "text"), present, text_signals(texts, self._split))

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fixed fusion: the normalised mean of both vectors, present or not."""
        return mean_of_pairs(images, texts, self.name)

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Set the candidate answers."""
        self._ranker.prepare(vocabulary)

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[Answer]:
        """Rank "question answer" against the image, a missing question being the empty one."""
        vectors = as_embeddings(self.encode_images(images), len(images), self.name).vectors
        return self._ranker.answer(vectors, questions)

    def answer_embedded(
        self, images: Embeddings, texts: Embeddings, questions: Sequence[str]
    ) -> list[Answer]:
        """Rank "question answer" against image vectors."""
        return self._ranker.answer(images.vectors, questions)
