"""A generative model of transformers with its processor: loading, prompts as token ids, greedy generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.memory import is_out_of_memory
from mafs_bench.adapters.model_folder import ModelFolder
from mafs_bench.adapters.vlm.arguments import Arguments
from mafs_bench.adapters.vlm.kinds import PLAIN_PROMPT, has_own_code
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.types import FloatArray, Image

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_GREEDY: Mapping[str, object] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}
"""Plain greedy decoding, whatever a checkpoint's generation config asks for. A repetition penalty also counts the
padding of a batch, so that an answer would depend on the other rows."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What was generated for one prompt. ids: up to the end token, which is included. log_probability: of each id."""

    ids: tuple[int, ...]
    text: str
    log_probability: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """Geometric mean of the probabilities of the tokens, in [0, 1]."""
        return float(min(1.0, np.exp(np.mean(self.log_probability)))) if self.log_probability else 0.0


class GenerativeModel:
    """A loaded model. All methods take n images (None: a prompt of text alone) and n messages of the user."""

    def __init__(self, folder: ModelFolder, settings: Settings, arguments: Arguments) -> None:
        """Load it. Raises ``WeightsError`` or ``UsageError`` in one line for what is missing or does not fit."""
        self.name = folder.name
        self._settings = settings
        self._processor = _load_processor(folder, settings, arguments)
        self._chat = _chat_template(folder, self._processor, arguments)
        self._image_mark = PLAIN_PROMPT.get(str(folder.config["model_type"]), "")
        self._model = _load_model(folder, settings, arguments)
        self._tokenizer: Any = self._processor.tokenizer
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._end = _end_tokens(self._model, self._tokenizer)
        self.reads_text_alone = self._reads_text_alone()

    def inputs(self, images: Sequence[Image | None], messages: Sequence[str], continuation: str = "") -> Any:
        """The model's inputs: prompts padded on the left, all with an image or all without one."""
        prompts = [
            self._prompt(message, image is not None) + continuation
            for image, message in zip(images, messages, strict=True)
        ]
        shown = [[PILImage.fromarray(image)] for image in images if image is not None]
        bos = self._tokenizer.bos_token
        special = {} if bos is None or not prompts[0].startswith(bos) else {"add_special_tokens": False}
        return self._processor(
            images=shown or None,
            text=prompts,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            **special,
        )

    def generate(
        self, images: Sequence[Image | None], messages: Sequence[str], max_new_tokens: int
    ) -> list[Generated]:
        """Generate greedily, at most ``max_new_tokens`` tokens each."""
        results: list[Generated] = []
        for ids, log_probabilities in self._in_groups(images, messages, max_new_tokens, _LikelihoodRecorder):
            end = next((i + 1 for i, token in enumerate(ids) if token in self._end), len(ids))
            text = self._tokenizer.decode(ids[:end], skip_special_tokens=True)
            results.append(Generated(tuple(ids[:end]), text, tuple(log_probabilities[:end])))
        return results

    def first_token(self, images: Sequence[Image | None], messages: Sequence[str]) -> FloatArray:
        """Log-probabilities of the first generated token, float32 (n, vocabulary)."""
        rows = [row for _, row in self._in_groups(images, messages, 1, _FirstTokenRecorder)]
        return np.array(rows, dtype=np.float32)

    def tokens_of(self, word: str, *, case: bool) -> list[int]:
        """Ids of all tokens that are this word by themselves, blanks around it aside; ``case``: in this case alone."""
        if case:
            return self._tokens.get(word.strip(), [])
        own = word.strip().casefold()
        return sorted(t for text, tokens in self._tokens.items() if text.casefold() == own for t in tokens)

    @cached_property
    def _tokens(self) -> dict[str, list[int]]:
        """The ids of all tokens by their text, without the blanks around it."""
        found: dict[str, list[int]] = {}
        texts = self._tokenizer.batch_decode([[token] for token in range(len(self._tokenizer))])
        for token, text in enumerate(texts):
            found.setdefault(text.strip(), []).append(token)
        return found

    def _in_groups(
        self,
        images: Sequence[Image | None],
        messages: Sequence[str],
        max_new_tokens: int,
        recorder: type[_Recorder],
    ) -> list[tuple[list[int], list[float]]]:
        """Generate for prompts with an image, and for those without one; in the order of the prompts.

        Gives the new ids and what the recorder kept of each prompt.
        """
        found: dict[int, tuple[list[int], list[float]]] = {}
        for with_image in (True, False):
            rows = [row for row, image in enumerate(images) if (image is not None) is with_image]
            if rows:
                made = self._generate(
                    [images[r] for r in rows], [messages[r] for r in rows], max_new_tokens, recorder
                )
                found.update(zip(rows, made, strict=True))
        return [found[row] for row in range(len(images))]

    def _generate(
        self,
        images: Sequence[Image | None],
        messages: Sequence[str],
        max_new_tokens: int,
        recorder: type[_Recorder],
    ) -> list[tuple[list[int], list[float]]]:
        record = recorder()
        inputs = self.inputs(images, messages).to(self._model.device)
        inputs = _in_dtype(inputs, self._model.dtype)
        with torch.inference_mode():
            ids = self._model.generate(
                **inputs,
                **_GREEDY,
                max_new_tokens=max_new_tokens,
                pad_token_id=self._tokenizer.pad_token_id,
                logits_processor=[record],
            )
        new = ids[:, -len(record.steps) :].tolist()
        return list(zip(new, record.rows(), strict=True))

    def _prompt(self, message: str, with_image: bool) -> str:
        if self._chat is None:
            return self._image_mark + message if with_image else message
        content = [{"type": "image"}] if with_image else []
        conversation = [{"role": "user", "content": [*content, {"type": "text", "text": message}]}]
        prompt: str = self._processor.apply_chat_template(
            conversation, chat_template=self._chat, add_generation_prompt=True, tokenize=False
        )
        return prompt

    def _reads_text_alone(self) -> bool:
        """Whether the model takes a prompt without an image, by trying."""
        try:
            self.generate([None], ["?"], 1)
        except Exception as error:  # processors and models refuse it each in their own way
            if is_out_of_memory(error):
                raise
            return False
        return True


class _Recorder:
    """Keeps something of each step's scores; used as the last logits processor, it changes nothing."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.steps.append(self.keep(scores.float().log_softmax(dim=-1)))
        return scores

    def keep(self, log_probabilities: torch.Tensor) -> torch.Tensor:
        """What is kept of (n, vocabulary)."""
        raise NotImplementedError

    def rows(self) -> list[list[float]]:
        """What was kept of each prompt."""
        raise NotImplementedError


class _LikelihoodRecorder(_Recorder):
    """Keeps the log-probability of the best token of each step, which greedy decoding takes."""

    def keep(self, log_probabilities: torch.Tensor) -> torch.Tensor:
        return log_probabilities.amax(dim=-1)

    def rows(self) -> list[list[float]]:
        kept: list[list[float]] = torch.stack(self.steps, dim=1).cpu().tolist()
        return kept


class _FirstTokenRecorder(_Recorder):
    """Keeps all log-probabilities of the first step."""

    def keep(self, log_probabilities: torch.Tensor) -> torch.Tensor:
        return log_probabilities

    def rows(self) -> list[list[float]]:
        kept: list[list[float]] = self.steps[0].cpu().tolist()
        return kept


def _in_dtype(inputs: Any, dtype: torch.dtype) -> Any:
    """Pixels in the model's dtype; ids and masks stay whole numbers."""
    for key, value in inputs.items():
        if torch.is_tensor(value) and value.is_floating_point():
            inputs[key] = value.to(dtype)
    return inputs


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    found = model.generation_config.eos_token_id
    ids = [tokenizer.eos_token_id] if found is None else found if isinstance(found, list) else [found]
    return frozenset(token for token in ids if token is not None)


def _load_processor(folder: ModelFolder, settings: Settings, arguments: Arguments) -> Any:
    import transformers

    bounds = {
        key: value
        for key, value in (("min_pixels", arguments.min_pixels), ("max_pixels", arguments.max_pixels))
        if value is not None
    }
    try:
        processor = transformers.AutoProcessor.from_pretrained(
            folder.path, local_files_only=True, trust_remote_code=settings.trust_remote_code, **bounds
        )
    except Exception as error:  # files that are missing, broken or do not fit each have their own
        raise WeightsError(f"{folder.name} has no processor that can be loaded: {_reason(error)}") from error
    if not isinstance(processor, transformers.ProcessorMixin):
        raise WeightsError(
            f"{folder.name} has no processor for images and text (only a {type(processor).__name__}); the folder needs "
            "processor_config.json or preprocessor_config.json beside the tokenizer's files"
        )
    return processor


def _chat_template(folder: ModelFolder, processor: Any, arguments: Arguments) -> str | None:
    """The chat template; None for kinds that were trained on plain prompts."""
    if arguments.chat_template is not None:
        try:
            return Path(arguments.chat_template).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"--model-args chat_template={arguments.chat_template}: {error}") from error
    found = processor.chat_template or processor.tokenizer.chat_template
    if isinstance(found, dict):
        found = found.get("default")
    if found is None and folder.config["model_type"] not in PLAIN_PROMPT:
        raise WeightsError(
            f"{folder.name} has no chat template; name a Jinja file: --model-args chat_template=FILE (a base model "
            "that was not trained on instructions has none)"
        )
    return found if found is None else str(found)


def _load_model(folder: ModelFolder, settings: Settings, arguments: Arguments) -> Any:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": _DTYPES[settings.precision]}
    if arguments.attn_implementation is not None:
        options["attn_implementation"] = arguments.attn_implementation
    if arguments.device_map is not None:
        options["device_map"] = arguments.device_map
    if arguments.quantised:
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_8bit=arguments.load_in_8bit, load_in_4bit=arguments.load_in_4bit
        )
        options.setdefault("device_map", {"": settings.device})
    try:
        model, report = transformers.AutoModelForImageTextToText.from_pretrained(
            folder.path,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=settings.trust_remote_code,
            output_loading_info=True,
            **options,
        )
    except Exception as error:
        raise WeightsError(f"{folder.name} cannot be loaded: {_reason(error)}") from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise WeightsError(f"{folder.name}: parameters are missing in {folder.path}: {missing} …")
    if "device_map" not in options:
        model = model.to(settings.device)
    return model.eval().requires_grad_(False)


def require_trust(folder: ModelFolder, settings: Settings) -> None:
    """Raise ``WeightsError`` where only code of the repository can load the model and the user has not allowed it."""
    if has_own_code(folder) and not settings.trust_remote_code:
        raise WeightsError(
            f"{folder.name} is of the type {folder.config['model_type']!r}, which only code of its repository can "
            "load; --trust-remote-code runs that code (read it first)"
        )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
