"""BLIP's three models in inference mode, each with its tokenizer and its preprocessing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn import functional
from transformers.utils import logging as transformers_logging

from mafs_bench.adapters.blip.sources import Source
from mafs_bench.adapters.blip.text import decoder_token, encoder_token
from mafs_bench.errors import WeightsError
from mafs_bench.types import FloatArray, Image

_LABEL_SMOOTHING = 0.1
"""The official loss has it, and the official ranking of answers goes by that loss."""


@dataclass(frozen=True)
class Preprocess:
    """The PIL-backed image processor as a picklable function of one image.

    The torchvision-backed one, the default of newer transformers, differs from it by up to 0.07.
    """

    processor: Any

    def __call__(self, image: Image) -> FloatArray:
        """Turn uint8 (H, W, 3) into float32 (3, size, size)."""
        pixels = self.processor(images=[image], return_tensors="np", input_data_format="channels_last")
        return np.ascontiguousarray(pixels["pixel_values"][0], dtype=np.float32)


@dataclass(frozen=True)
class Part:
    """A transformers model with its image processor and tokenizer."""

    model: Any
    tokenizer: Any
    preprocess: Preprocess

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    def image_states(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (n, 3, size, size) to states (n, tokens, width), the class token first."""
        states: torch.Tensor = self.model.vision_model(pixel_values=pixels).last_hidden_state
        return states


class Retrieval(Part):
    """Two encoders for contrast, and the text encoder again, reading the image, for matching."""

    def image_features(self, states: torch.Tensor) -> torch.Tensor:
        """Image states (n, tokens, width) to unit features (n, d)."""
        return functional.normalize(self.model.vision_proj(states[:, 0]), dim=-1)

    def text_features(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids int64 and mask (n, l), ``[CLS]`` first, to unit features (n, d)."""
        return self.project_text(self.text_states(ids, mask))

    def text_states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids int64 and mask (n, l), ``[CLS]`` first, to states (n, l, width)."""
        states: torch.Tensor = self.model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def project_text(self, states: torch.Tensor) -> torch.Tensor:
        """Text states (n, l, width) to unit features (n, d)."""
        return functional.normalize(self.model.text_proj(states[:, 0]), dim=-1)

    def match(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (n, 2) of "no match" and "match"; the first id is replaced by ``[ENC]``."""
        logits: torch.Tensor = self.model.itm_head(self.fused(states, ids, mask)[:, 0])
        return logits

    def fused(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States (n, l, width) of aligned pairs, off whose first the matching head reads."""
        ids = torch.cat([torch.full_like(ids[:, :1], encoder_token(self.config)), ids[:, 1:]], dim=1)
        read = self.model.text_encoder(input_ids=ids, attention_mask=mask, encoder_hidden_states=states)
        out: torch.Tensor = read.last_hidden_state
        return out


class Captioning(Part):
    """A decoder that reads the image and continues a prompt."""

    def write(self, states: torch.Tensor, prompt: torch.Tensor, **options: Any) -> Any:
        """Generate from prompts int64 (n, l) of one length, ``[DEC]`` first; options as in transformers."""
        return _generate(self, states, prompt, options)


class Answering(Part):
    """A text encoder that reads image and question, and a decoder that writes or ranks answers."""

    def question_states(self, states: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Question ids int64 (n, l) of one length on image states to fused states (n, l, width)."""
        out: torch.Tensor = self.model.text_encoder(
            input_ids=ids, attention_mask=torch.ones_like(ids), encoder_hidden_states=states
        ).last_hidden_state
        return out

    def write(self, states: torch.Tensor, **options: Any) -> Any:
        """Generate answers to questions of one length.

        The decoder reads all question states: padding among them would change the answer.
        """
        start = torch.full((len(states), 1), decoder_token(self.config), device=states.device)
        return _generate(self, states, start, options)

    def rank(
        self, states: torch.Tensor, answers: torch.Tensor, mask: torch.Tensor, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Order the k answers whose first tokens are most probable by the loss of the whole answer.

        states: one question's (1, l, width). answers: int64 (m, a), ``[DEC]`` first, with mask. Gives positions
        among the answers int64 (k,), best first, and their shares (k,), which sum to 1.
        """
        first = self._logits(states, answers[:1, :1], mask[:1, :1])[0, 0].softmax(dim=-1)
        top = first[answers[:, 1]].topk(k).indices
        logits = self._logits(states.expand(k, -1, -1), answers[top], mask[top])
        targets = answers[top][:, 1:].masked_fill(mask[top][:, 1:] == 0, -100)
        losses = functional.cross_entropy(
            logits[:, :-1].transpose(1, 2), targets, reduction="none", label_smoothing=_LABEL_SMOOTHING
        )
        shares, order = (-losses.sum(dim=1)).softmax(dim=0).sort(descending=True, stable=True)
        return top[order], shares

    def _logits(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        decoded = self.model.text_decoder(input_ids=ids, attention_mask=mask, encoder_hidden_states=states)
        logits: torch.Tensor = decoded.logits.float()
        return logits


def load_retrieval(source: Source, device: str) -> Retrieval:
    """Load ``BlipForImageTextRetrieval``. Raises ``WeightsError``."""
    return Retrieval(*_load(source, transformers.BlipForImageTextRetrieval, device))


def load_captioning(source: Source, device: str) -> Captioning:
    """Load ``BlipForConditionalGeneration``. Raises ``WeightsError``."""
    return Captioning(*_load(source, transformers.BlipForConditionalGeneration, device))


def load_answering(source: Source, device: str) -> Answering:
    """Load ``BlipForQuestionAnswering``. Raises ``WeightsError``."""
    return Answering(*_load(source, transformers.BlipForQuestionAnswering, device))


def load_preprocess(source: Source) -> Preprocess:
    """Load only the image processor of a model. Raises ``WeightsError``."""
    with _one_line(source):
        return Preprocess(processor_class().from_pretrained(source.location, revision=source.revision))


def _load(source: Source, architecture: Any, device: str) -> tuple[Any, Any, Preprocess]:
    """The model in float32, its tokenizer and its preprocessing; no parameter may be missing."""
    with _one_line(source):
        model, report = architecture.from_pretrained(
            source.location, revision=source.revision, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.location, revision=source.revision)
    if report["missing_keys"]:
        raise WeightsError(f"{source} lacks parameters: {', '.join(sorted(report['missing_keys'])[:3])} …")
    return model.to(device).eval().requires_grad_(False), tokenizer, load_preprocess(source)


def processor_class() -> Any:
    """The PIL-backed processor, which had the plain name before transformers 5."""
    return getattr(transformers, "BlipImageProcessorPil", None) or transformers.BlipImageProcessor


def _generate(part: Part, states: torch.Tensor, start: torch.Tensor, options: dict[str, Any]) -> Any:
    config = part.config.text_config
    return part.model.text_decoder.generate(
        input_ids=start,
        attention_mask=torch.ones_like(start),
        encoder_hidden_states=states,
        encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long, device=states.device),
        eos_token_id=config.sep_token_id,
        pad_token_id=config.pad_token_id,
        **options,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off the terminal."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def _one_line(source: Source) -> Iterator[None]:
    """Turn whatever is raised into one line."""
    try:
        with quiet():
            yield
    except Exception as error:
        raise WeightsError(f"cannot load BLIP from {source}: {' '.join(str(error).split())[:200]}") from error
