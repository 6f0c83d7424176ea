"""Models of transformers, by their config: ``hf:FOLDER`` or ``hf:ORG/NAME[@REVISION]``.

CLIP and SigLIP are dual encoders, here; models that generate text about images are in ``vlm.adapter``.
CLIP: Radford et al., ICML 2021. SigLIP: Zhai et al., ICCV 2023; Tschannen et al., 2025. Nothing is unpickled and no
code of a repository is run: weights must be ``*.safetensors``.

Specs: hf:openai/clip-vit-base-patch32, hf:HuggingFaceTB/SmolVLM-256M-Instruct, hf:FOLDER
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PILImage

from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.adapters.inference import inference, to_device, to_host
from mafs_bench.adapters.model_folder import ModelFolder, find
from mafs_bench.adapters.ranked_answers import AnswerRanker
from mafs_bench.adapters.text_signals import piece_splitter, text_signals
from mafs_bench.adapters.tiles import run_in_tiles, tile_rows
from mafs_bench.adapters.vectors import as_embeddings, mean_of_pairs, unit_rows
from mafs_bench.errors import WeightsError
from mafs_bench.types import FloatArray, Image

KINDS = ("clip", "siglip")
"""Values of ``model_type`` that are loaded; ``siglip`` covers those checkpoints of SigLIP 2 that have it."""


@dataclass(frozen=True)
class Preprocess:
    """The image processor of a checkpoint as a picklable function of arrays."""

    processor: Any

    def __call__(self, image: Image) -> FloatArray:
        """Turn uint8 (H, W, 3) into float32 (3, h, w), resized, cropped and normalised."""
        pixels = self.processor(images=PILImage.fromarray(image), return_tensors="np")["pixel_values"]
        return np.ascontiguousarray(pixels[0], dtype=np.float32)


@dataclass(frozen=True)
class _Wrapped:
    """A tokenizer as ``piece_splitter`` takes it."""

    tokenizer: Any


class HuggingFace(Adapter):
    """A CLIP or SigLIP. Missing images are the grey image, missing texts the empty string, both encoded."""

    def __init__(self, folder: ModelFolder, settings: Settings) -> None:
        """Load a folder of transformers' layout; ``load`` is the usual way in. Raises ``WeightsError``."""
        kind = str(folder.config["model_type"])
        if kind not in KINDS:
            raise WeightsError(f"{folder.name}: a model of the type {kind!r}, not {' or '.join(KINDS)}")
        folder.fetch()
        folder.require_safetensors()
        self.name = folder.name
        self.sources = {"weights": folder.source} if folder.source else {}
        self.weights = folder.digest()
        self._kind = kind
        self._settings = settings
        self._device = torch.device(settings.device)
        self._load_files(folder)
        self._scale = float(self._model.logit_scale.detach().exp())
        self._ranker = AnswerRanker(self._text_vectors, self._scale)
        self._split = piece_splitter(_Wrapped(self._tokenizer))
        if kind == "clip":
            self.unsupported = {
                "match_probabilities": f"{self.name} was not trained to say how probable a match is"
            }

    @classmethod
    def class_of(cls, argument: str) -> type[Adapter]:
        """This class for CLIP and SigLIP, ``VisionLanguage`` for models that generate text about images.

        Raises ``WeightsError`` for other kinds of models, and where there is none.
        """
        if not argument:
            return cls
        folder = find(argument)
        if folder.config["model_type"] in KINDS:
            return cls
        from mafs_bench.adapters.vlm.adapter import VisionLanguage
        from mafs_bench.adapters.vlm.kinds import require_vision_language

        require_vision_language(folder)
        return VisionLanguage

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load a folder, or a repository of the hub at a commit, branch or tag.

        Raises ``WeightsError`` where none is named, and for what is missing or no CLIP or SigLIP.
        """
        return cls(find(argument), settings)

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> FloatArray:
        """Encode float32 (n, 3, h, w) of ``preprocess`` to float32 (n, d), unit length."""
        return self.start_pixels(pixels)()

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], FloatArray]:
        """Begin ``encode_pixels``; only the function that is given back waits for the device."""
        with inference(self._settings):
            features = self._tiles(
                lambda tile: _features(self._model.get_image_features(pixel_values=tile)),
                to_device(pixels, self._device),
            )
        return lambda: unit_rows(to_host(features), self.name, "image")

    def compile(self) -> None:
        """Compile the image tower, and run it once so that failures show now."""
        self._model.vision_model.compile(dynamic=False)
        self.encode_images([np.zeros((224, 224, 3), dtype=np.uint8)])

    def tokenize(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Token ids (n, context), cut to the model's context and padded to it, whatever stands beside a text."""
        encoded = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=int(self._model.config.text_config.max_position_embeddings),
            return_tensors="np",
        )
        return np.asarray(encoded["input_ids"], dtype=np.int64)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode n texts, with the signals of ``text_signals``; empty ones count as not present."""
        present = np.array([text != "" for text in texts], dtype=bool)
        return Embeddings(self._text_vectors(texts), present, text_signals(texts, self._split))

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fixed fusion: the normalised mean of both vectors, present or not."""
        return mean_of_pairs(images, texts, self.name)

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """SigLIP: sigmoid of the scaled and shifted cosine of aligned pairs, float32 (n,)."""
        cosines = (images.vectors.astype(np.float64) * texts.vectors).sum(axis=1)
        logits = self._scale * cosines + float(self._model.logit_bias.detach())
        probabilities: FloatArray = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return probabilities

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Set the answers to choose from."""
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

    def _load_files(self, model_folder: ModelFolder) -> None:
        import transformers

        folder = model_folder.path

        transformers.utils.logging.disable_progress_bar()
        try:
            found, report = transformers.AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, use_fast=False
            )
        except Exception as error:  # files that are missing, broken or do not fit each have their own
            reason = " ".join(str(error).split())[:300]
            raise WeightsError(f"{self.name} cannot be loaded: {type(error).__name__}: {reason}") from error
        if report["missing_keys"]:
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise WeightsError(f"{self.name}: parameters are missing in {folder}: {missing} …")
        self._model: Any = found.float().eval().requires_grad_(False).to(self._device)
        self.preprocess = Preprocess(processor)

    def _text_vectors(self, texts: Sequence[str]) -> FloatArray:
        """(n, d) float32, unit. Every text is padded to the context, so that none depends on the longest of its batch.

        CLIP reads causally up to its end token, so that padding changes nothing; SigLIP was trained with padding.
        """
        with inference(self._settings):
            features = self._tiles(
                lambda tile: _features(self._model.get_text_features(input_ids=tile)),
                to_device(self.tokenize(texts), self._device),
            )
        return unit_rows(to_host(features), self.name, "text")

    def _tiles(self, forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        return run_in_tiles(forward, inputs, tile_rows(self._device))


def _features(output: Any) -> torch.Tensor:
    """The projected features: a tensor up to transformers 4, the pooled output of a model output from 5 on."""
    features: torch.Tensor = output if torch.is_tensor(output) else output.pooler_output
    return features
