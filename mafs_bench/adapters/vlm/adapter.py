"""Generative vision-language models of transformers: ``hf:FOLDER`` or ``hf:ORG/NAME[@REVISION]``.

Every answer is what ``generate`` gives greedily for the prompt of the task (``prompts@1``), cut by the prompt file's
rules. Nothing else is parsed or guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter, Answer, ChoiceAsked, Embeddings, Settings
from mafs_bench.adapters.model_folder import ModelFolder, find
from mafs_bench.adapters.vectors import as_embeddings
from mafs_bench.adapters.vlm.arguments import Arguments
from mafs_bench.adapters.vlm.model import GenerativeModel, require_trust
from mafs_bench.errors import AdapterError, UsageError
from mafs_bench.prompts import LETTERS, Prompts, caption_tasks, load_prompts
from mafs_bench.types import FloatArray, Image

TEXT_ALONE = "a prompt of text alone"


class VisionLanguage(Adapter):
    """A model that reads an image and a prompt, and writes.

    A missing image is a prompt of text alone where the model takes one, else the grey image. A missing text leaves
    its place in the prompt empty. ``--first-stage`` names the dual encoder whose best candidates are put in order by
    the probability of "yes".
    """

    accepts = frozenset({"prompts", "model_args", "trust_remote_code", "first_stage"})

    def __init__(self, folder: ModelFolder, settings: Settings, prompts: Prompts) -> None:
        """Load a folder; ``load`` is the usual way in. Raises ``WeightsError`` or ``UsageError``."""
        arguments = Arguments.of(settings.model_args)
        require_trust(folder, settings)
        folder.fetch(code=settings.trust_remote_code)
        folder.require_safetensors()
        self.name = folder.name
        self.sources = {"weights": folder.source} if folder.source else {}
        self.weights = folder.digest(code=settings.trust_remote_code)
        self.prompts = prompts.record()
        self.rerank = arguments.rerank
        self._tasks = prompts.tasks
        self._arguments = arguments
        self._model = GenerativeModel(folder, settings, arguments)
        self.missing = {
            "image": TEXT_ALONE if self._model.reads_text_alone else "blank",
            "text": "the prompt with nothing in its place",
        }
        matching = prompts.tasks["matching"].words
        self._yes = self._model.tokens_of(matching["yes"], case=False)
        self._no = self._model.tokens_of(matching["no"], case=False)
        self._stage = _first_stage(settings)
        self.unsupported = {**self._without_words(matching["yes"], matching["no"])}
        if self._stage is None:
            reason = (
                "it needs a dual encoder that picks candidates (--first-stage SPEC, as in --first-stage clip)"
            )
            self.unsupported |= dict.fromkeys(DUAL_ENCODER, reason)
        else:
            self.first_stage = {"model": settings.first_stage, "weights": self._stage.weights}

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load a folder, or a repository of the hub at a commit, branch or tag.

        Raises ``WeightsError`` for what is missing, ``UsageError`` or ``UnknownNameError`` for model arguments and
        prompt files.
        """
        return cls(find(argument), settings, load_prompts(settings.prompts))

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[Answer]:
        """Answer n questions; confidence is the geometric mean of the probabilities of the tokens."""
        prompt = self._tasks["vqa"]
        messages = [prompt.fill(question=question) for question in questions]
        made = self._model.generate(self._shown(images, present), messages, self._tokens("vqa"))
        return [Answer(prompt.cut(one.text), one.confidence) for one in made]

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
        """Describe n images; a context stands in the prompt."""
        return self.describe(images, contexts, np.ones((len(images), 2), dtype=bool))

    def describe(
        self, images: Sequence[Image], contexts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[str]:
        """Describe n images; a missing context leaves its place in the prompt empty."""
        tasks = caption_tasks(contexts, present[:, 1])
        shown = self._shown(images, present)
        captions: dict[int, str] = {}
        for task in dict.fromkeys(tasks):
            prompt, rows = self._tasks[task], [row for row, own in enumerate(tasks) if own == task]
            messages = [prompt.fill(context=contexts[row]) for row in rows]
            made = self._model.generate([shown[row] for row in rows], messages, self._tokens(task))
            captions.update((row, prompt.cut(one.text)) for row, one in zip(rows, made, strict=True))
        return [captions[row] for row in range(len(tasks))]

    def match_pairs(
        self, images: Sequence[Image], texts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """P(yes) / (P(yes) + P(no)) of the first token, each over all tokens that are that word, float32 (n,)."""
        messages = [self._tasks["matching"].fill(caption=text) for text in texts]
        first = self._model.first_token(self._shown(images, present), messages).astype(np.float64)
        yes, no = (np.logaddexp.reduce(first[:, ids], axis=1) for ids in (self._yes, self._no))
        probabilities: FloatArray = (1 / (1 + np.exp(no - yes))).astype(np.float32)
        return probabilities

    def choose(
        self, images: Sequence[Image], asked: Sequence[ChoiceAsked], present: npt.NDArray[np.bool_]
    ) -> list[FloatArray]:
        """Probabilities of the options' letters as the first token, each over all tokens that are that letter."""
        prompt = self._tasks["multiple-choice"]
        messages = [prompt.fill_choice(one.question, one.options, one.hint) for one in asked]
        first = self._model.first_token(self._shown(images, present), messages).astype(np.float64)
        return [
            _shares([np.logaddexp.reduce(row[self._letter(k)]) for k in range(len(one.options))])
            for row, one in zip(first, asked, strict=True)
        ]

    def _letter(self, k: int) -> list[int]:
        """Tokens that are the k-th letter. Raises ``AdapterError`` where the tokenizer has none."""
        found = self._model.tokens_of(LETTERS[k], case=True)
        if not found:
            raise AdapterError(f"{LETTERS[k]!r} is no single token of {self.name}, whose first token is read")
        return found

    def encode_images(self, images: Sequence[Image]) -> Embeddings:
        """As the first stage does."""
        return as_embeddings(self._first("encode_images").encode_images(images), len(images), "images")

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """As the first stage does."""
        return as_embeddings(self._first("encode_texts").encode_texts(texts), len(texts), "texts")

    def _first(self, method: str) -> Adapter:
        if self._stage is None:
            raise self._not_supported(method)
        return self._stage

    def _tokens(self, task: str) -> int:
        return self._arguments.max_new_tokens or self._tasks[task].max_new_tokens

    def _shown(self, images: Sequence[Image], present: npt.NDArray[np.bool_]) -> list[Image | None]:
        """The images as the model gets them: none where it is missing and the model takes text alone."""
        if not self._model.reads_text_alone:
            return list(images)
        return [image if there else None for image, there in zip(images, present[:, 0], strict=True)]

    def _without_words(self, yes: str, no: str) -> dict[str, str]:
        reason = f"is no single token of {self.name}, whose first token is read"
        absent = [word for word, ids in ((yes, self._yes), (no, self._no)) if not ids]
        letters = [letter for letter in LETTERS[:4] if not self._model.tokens_of(letter, case=True)]
        found = {"match_pairs": absent, "choose": letters}
        return {capability: f"{words[0]!r} {reason}" for capability, words in found.items() if words}


def _shares(logits: Sequence[float]) -> FloatArray:
    """Softmax over the options, float32 (k,)."""
    weights = np.exp(np.array(logits) - max(logits))
    shares: FloatArray = (weights / weights.sum()).astype(np.float32)
    return shares


def _first_stage(settings: Settings) -> Adapter | None:
    """The dual encoder that ``--first-stage`` names. Raises ``UsageError`` where it is none."""
    if not settings.first_stage:
        return None
    from mafs_bench.adapters.load import load

    plain = Settings(settings.device, settings.precision, settings.batch_size)
    stage = load(settings.first_stage, plain)
    if not stage.supports(*DUAL_ENCODER):
        raise UsageError(
            f"--first-stage {settings.first_stage}: allowed is a model with {' and '.join(sorted(DUAL_ENCODER))}"
        )
    return stage
