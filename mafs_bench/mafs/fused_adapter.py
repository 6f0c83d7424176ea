"""A frozen dual encoder with a trained fusion: MA-AFS, or one that it is compared with.

Specs: mafs-clip, mafs-clip@2, mafs-albef, mafs-blip, clip+mean, albef+static, clip:ViT-B-32/openai+mean
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.adapters.fusions import FUSED, split_fused
from mafs_bench.adapters.load import load
from mafs_bench.adapters.probe import Probe
from mafs_bench.adapters.tiles import run_in_tiles
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.mafs.answering import AnswerHead
from mafs_bench.mafs.backbone import difference, probe_encoder, require_dual_encoder
from mafs_bench.mafs.catalogue import get_fusion
from mafs_bench.mafs.fusion import FusionInput
from mafs_bench.mafs.signals import pair_signals
from mafs_bench.mafs.weights import FusionWeights, find
from mafs_bench.mafs.weights import load as load_fusion
from mafs_bench.types import FloatArray, Image

_TILE = 16


class FusedBackbone(Adapter):
    """Encodes with a backbone and fuses with trained weights.

    A missing modality is masked: it gets weight 0. If both are missing, the query is the training prior, and the
    diagnostic ``prior`` is 1.
    """

    missing = MappingProxyType({"image": "masked", "text": "masked"})
    _probe: Probe | None = None
    """Probe of the backbone, if it was loaded together with its fusion."""

    def __init__(self, name: str, backbone: Adapter, weights: FusionWeights) -> None:
        """Wrap a loaded backbone; most callers use ``load``."""
        self.name = name
        self.domain = backbone.domain
        self.sources = backbone.sources
        self.weights = hashlib.sha256(f"{backbone.weights}{weights.digest}".encode()).hexdigest()
        self.encoder = f"{backbone.qualified_name} {backbone.weights}, fused"
        self.training_data = (*backbone.training_data, *weights.data)
        self.fusion = weights.fusion
        self._backbone = backbone
        self._fusion = weights
        self.public = f"a {self.fusion!r} fusion trained on {backbone.public}" if backbone.public else ""
        self.unsupported = {} if weights.head is not None else {"answer_embedded": self._no_head()}
        if backbone.supports("encode_pixels"):
            self.preprocess = backbone.preprocess
        else:
            self.unsupported["encode_pixels"] = "its backbone preprocesses images itself"

    @classmethod
    def class_of(cls, argument: str) -> type[Adapter]:
        """The class of the fusion that a spec names: with a scheduler, a captioner, or both."""
        from mafs_bench.mafs.fused_captions import CaptioningBackbone, ScheduledCaptioning

        fusion = get_fusion(_parts(argument)[1])
        if fusion.captioner:
            return ScheduledCaptioning if fusion.scheduled else CaptioningBackbone
        return ScheduledBackbone if fusion.scheduled else FusedBackbone

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load the backbone and the fusion that was trained for its weights.

        argument: ``BACKBONE+FUSION``, whole. Raises ``WeightsError``, naming the commands that make one, when there is
        no fusion, and ``UsageError`` for a backbone that does not encode images and texts.
        """
        spec, fusion = _parts(argument)
        require_dual_encoder(spec, "be fused")
        backbone = load(spec, settings)
        file = find(fusion, backbone.weights)
        if file is None:
            raise WeightsError(
                f"no {fusion!r} fusion has been trained for {spec}; {cls._remedy(spec, fusion)}"
            )
        adapter = cls(argument, backbone, load_fusion(file))
        adapter._probe = probe_encoder(backbone, settings.precision)
        adapter._require_same_backbone(file, adapter._fusion.probe, cls._remedy(spec, fusion))
        return adapter

    def _require_same_backbone(self, file: Path, trained_on: Mapping[str, object], remedy: str) -> None:
        """Raise ``WeightsError`` if a file was trained on another backbone than the loaded one."""
        if self._probe is not None and (found := difference(trained_on, self._probe)) is not None:
            raise WeightsError(
                f"{file} was trained on other weights than those of {self._backbone.name} ({found}); {remedy}"
            )

    @classmethod
    def _remedy(cls, spec: str, fusion: str) -> str:
        return f"train one with: mafs-bench train scheduler --backbone {spec} --fusion {fusion} --dataset DATASET"

    def encode_images(self, images: Sequence[Image]) -> Embeddings:
        """Encode n images to float32 (n, d), unit length."""
        return self._described(self._backbone.encode_images(images), len(images))

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> Embeddings:
        """Encode n preprocessed images to float32 (n, d), unit length."""
        return self.start_pixels(pixels)()

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], Embeddings]:
        """Start ``encode_pixels``; only the returned function waits for the backbone's device."""
        finish = self._backbone.start_pixels(pixels)
        return lambda: self._described(finish(), len(pixels))

    def compile(self) -> None:
        """Do nothing: the backbone was compiled when it was loaded."""

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> Sequence[Sequence[int]] | None:
        """Token ids that the backbone reads from n texts."""
        return self._backbone.read_tokens(texts, cut=cut)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode n texts to float32 (n, d), unit length, with the backbone's own signals."""
        return _as_embeddings(self._backbone.encode_texts(texts), len(texts))

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fuse n aligned pairs: unit vectors (n, d), with α and the signals as diagnostics."""
        with torch.inference_mode():
            pairs = self._pairs(images, texts)
            z, alpha = self._fusion.fused(pairs)
            nothing = pairs.present.sum(1) == 0
            z = torch.where(nothing[:, None], self._fusion.prior, z)
        diagnostics = {"alpha_image": alpha[:, 0], "alpha_text": alpha[:, 1], "prior": nothing.float()}
        diagnostics |= {name: pairs.signals[name] for name in ("image_entropy", "text_entropy", "agreement")}
        return Fused(z.numpy(), {name: values.numpy() for name, values in diagnostics.items()})

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Check that there is an answer head; its answers are those it was trained on.

        Raises ``WeightsError`` if no head was trained.
        """
        self._head()

    def answer_embedded(
        self, images: Embeddings, texts: Embeddings, questions: Sequence[str]
    ) -> list[Answer]:
        """Answer n pairs; confidence is the sigmoid of the best answer's logit."""
        with torch.inference_mode():
            logits, alpha = self._head()(self._pairs(images, texts))
        confidence, best = logits.sigmoid().max(1)
        return [
            Answer(self._fusion.answers[k], c, {"alpha_image": a, "alpha_text": b})
            for k, c, (a, b) in zip(best.tolist(), confidence.tolist(), alpha.tolist(), strict=True)
        ]

    def _head(self) -> AnswerHead:
        if self._fusion.head is None:
            raise WeightsError(self._no_head())
        return self._fusion.head

    def _no_head(self) -> str:
        return f"{self.name} has no answer head: it was trained on data without questions"

    def _pairs(self, images: Embeddings, texts: Embeddings) -> FusionInput:
        v, t = torch.from_numpy(images.vectors), torch.from_numpy(texts.vectors)
        tokens = _tensors(texts.signals)
        present = torch.from_numpy(np.stack([images.present, texts.present], axis=1).astype(np.float32))
        return FusionInput(v, t, pair_signals(self._fusion.prototypes, v, t, tokens), present)

    def _described(self, encoded: FloatArray | Embeddings, n: int) -> Embeddings:
        """Add what else a fusion needs from an encoded image; nothing by default."""
        return _as_embeddings(encoded, n)


class ScheduledBackbone(FusedBackbone):
    """MA-AFS on a backbone: a scheduler for fused queries, and one for cross-modal retrieval."""

    rerank = 32
    derived = frozenset({"mass"})
    """States that ``complete_images`` and ``complete_texts`` compute from the others, so they are not cached."""
    pairs_at_once = 16384

    @classmethod
    def _remedy(cls, spec: str, fusion: str) -> str:
        option = "" if fusion == "mafs" else f" --fusion {fusion}"
        return (
            f"{super()._remedy(spec, fusion)}, or transfer a trained scheduler, in a minute, with: mafs-bench "
            f"calibrate --backbone {spec}{option} --dataset DATASET"
        )

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode n texts; their mass over the bank of images is kept for pair scores."""
        return self.complete_texts(super().encode_texts(texts))

    def complete_texts(self, texts: Embeddings) -> Embeddings:
        """Add the mass over the bank of images."""
        return self._with_mass(texts, self._cross().text_mass)

    def complete_images(self, images: Embeddings) -> Embeddings:
        """Add the mass over the bank of texts."""
        return self._with_mass(images, self._cross().image_mass)

    def score_pairs(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """α_v e_v + α_t e_t of n aligned pairs, float32 (n,); see ``mafs.cross_modal``."""
        with torch.inference_mode():
            pairs = self._pairs(images, texts)
            masses = [torch.from_numpy(side.states["mass"]) for side in (images, texts)]
            scores, _ = self._cross()(pairs.signals["agreement"], *masses, pairs.signals, pairs.present)
        return np.asarray(scores.numpy())

    def _cross(self) -> Any:
        return self._fusion.cross

    def _described(self, encoded: FloatArray | Embeddings, n: int) -> Embeddings:
        return self.complete_images(super()._described(encoded, n))

    def _with_mass(self, embedded: Embeddings, mass_of: Callable[[Tensor], Tensor]) -> Embeddings:
        with torch.inference_mode():
            mass = run_in_tiles(mass_of, torch.from_numpy(embedded.vectors), _TILE).numpy()
        return replace(embedded, states={**embedded.states, "mass": mass})


def _parts(spec: str) -> tuple[str, str]:
    """The backbone's spec and the fusion. Raises ``UsageError`` for a spec that is none of a fused model."""
    found = split_fused(spec)
    if found is None:
        raise UsageError(f"{spec!r} names no fused model; allowed: {FUSED}, as in clip+mean")
    return found


def _as_embeddings(encoded: FloatArray | Embeddings, n: int) -> Embeddings:
    """An encoded batch without token states, which only pair scorers read."""
    if isinstance(encoded, Embeddings):
        return replace(encoded, states={})
    return Embeddings(encoded, np.ones(n, dtype=bool))


def _tensors(arrays: Mapping[str, FloatArray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in arrays.items()}
