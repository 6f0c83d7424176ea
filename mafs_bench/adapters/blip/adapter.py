"""BLIP as an adapter: two towers with re-ranking, captions and answers, each by the model made for it.

Li et al., ICML 2022, arXiv 2201.12086, over transformers; see ``sources`` for the forms of an argument.

Specs: blip, blip:FOLDER
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.adapters.blip.models import (
    Answering,
    Captioning,
    Part,
    Preprocess,
    Retrieval,
    load_answering,
    load_captioning,
    load_preprocess,
    load_retrieval,
)
from mafs_bench.adapters.blip.sources import Source, digest, resolve
from mafs_bench.adapters.blip.text import (
    clean_caption,
    clean_question,
    decoder_token,
    encoder_token,
    padded,
    unpadded,
)
from mafs_bench.adapters.cards import training_data_of
from mafs_bench.adapters.inference import inference, to_device, to_host
from mafs_bench.adapters.match_scores import RETRIEVAL, STATES, kept_for_matching, matching_logits
from mafs_bench.adapters.tiles import run_in_tiles, tile_rows
from mafs_bench.adapters.vectors import mean_of_pairs, unit_rows
from mafs_bench.errors import WeightsError
from mafs_bench.types import FloatArray, Image

PROMPT = "a picture of"
_BEAMS = 3
_CAPTION = {"num_beams": _BEAMS, "max_new_tokens": 16, "min_new_tokens": 1}
_ANSWER = {"num_beams": _BEAMS, "max_new_tokens": 9}
"""The official settings: 20 and 10 tokens, the prompt and the start token among them."""
_RANKED_ANSWERS = 128
_PURPOSES = {"itm": "retrieval and matching", "caption": "captions", "vqa": "question answering"}
_CAPABILITIES = {"itm": RETRIEVAL, "caption": ("caption",), "vqa": ("answer",)}
_DECODED_SHARE = 4
"""Tiles of a decoder are that much smaller: it holds several beams a row, and groups of one length are few."""

LoadedPart = TypeVar("LoadedPart", bound=Part)
Result = TypeVar("Result")


class Blip(Adapter):
    """BLIP models. Missing images are the grey image, missing texts the empty one, both encoded.

    ``rerank`` is the official k_test; ``sources`` names the hub's repository and commit of each part from there.
    """

    public = "blip:base"

    def __init__(self, name: str, sources: Mapping[str, Source], settings: Settings, domain: str) -> None:
        """Keep where the models are; each is loaded when it is first needed. ``load`` is the way in."""
        self.name = name
        self.domain = domain
        self.weights = digest(sources)
        self.training_data = training_data_of(Path(next(iter(sources.values())).location).parent)
        self.sources = {part: str(source) for part, source in sources.items() if source.revision is not None}
        self.preprocess: Preprocess = load_preprocess(next(iter(sources.values())))
        self.rerank = sources.get("itm", next(iter(sources.values()))).k_test
        self._found = sources
        absent = [part for part in _PURPOSES if part not in sources]
        self.unsupported = {
            capability: self._absent(part) for part in absent for capability in _CAPABILITIES[part]
        }
        self._settings = settings
        self._rows = tile_rows(torch.device(settings.device))
        self._vocabulary: tuple[str, ...] = ()

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Find the models that ``argument`` names; "" are the bundled ones made for ``scenes``.

        Raises ``WeightsError`` for what is missing or no BLIP.
        """
        name, domain = (f"blip:{argument}", "") if argument else ("blip", "scenes")
        return cls(name, resolve(argument), settings, domain)

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> Embeddings:
        """Encode float32 (n, 3, size, size) of ``preprocess``; all token states are kept for the matching head."""
        return self.start_pixels(pixels)()

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], Embeddings]:
        """Begin ``encode_pixels``; only the function that is given back waits for the device."""
        part = self._retrieval
        shown = to_device(pixels, torch.device(self._settings.device))
        with inference(self._settings):
            states = run_in_tiles(part.image_states, shown, self._rows)
            features = run_in_tiles(part.image_features, states, self._rows)
        return kept_for_matching(features, states, self.name, self._settings)

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> Sequence[Sequence[int]]:
        """Token ids of n captions, cut at 30 words and 35 tokens or not."""
        tokenizer = self._retrieval.tokenizer
        if cut:
            return [row.tolist() for row in padded(tokenizer, [clean_caption(text) for text in texts])[:, 0]]
        ids: list[list[int]] = tokenizer([clean_caption(text, None) for text in texts])["input_ids"]
        return ids

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode n texts; ids and masks, int64 (n, 2, 35), are kept for the matching head."""
        part = self._retrieval
        tokens = padded(part.tokenizer, [clean_caption(text) for text in texts])
        with inference(self._settings):
            features = self._tiles(lambda tile: part.text_features(tile[:, 0], tile[:, 1]), tokens)
        vectors = unit_rows(to_host(features), self.name, "text")
        present = np.array([text != "" for text in texts], dtype=bool)
        return Embeddings(vectors, present, states={STATES: tokens})

    def score_pairs(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Matching logit plus cosine similarity, float32 (n,), as in the official evaluation."""
        similarities: FloatArray = (images.vectors * texts.vectors).sum(axis=1)
        return self._matching_logits(images, texts)[:, 1].numpy() + similarities

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Probabilities of a match by the matching head, float32 (n,)."""
        return self._matching_logits(images, texts).softmax(dim=-1)[:, 1].numpy()

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fixed fusion of the two towers: the normalised mean of both vectors, present or not."""
        return mean_of_pairs(images, texts, self.name)

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
        """Describe n images: three beams go on from "a picture of", a context standing before that prompt."""
        part = self._captioning
        start = decoder_token(part.config)
        prompts = [
            [start, *ids[1:-1]]
            for ids in part.tokenizer([f"{context} {PROMPT}".strip() for context in contexts])["input_ids"]
        ]
        states = self._states(part, images)

        def write(rows: torch.Tensor, ids: torch.Tensor) -> list[str]:
            written = part.write(states[rows], ids, **_CAPTION)[:, ids.shape[1] :]
            return [text.strip() for text in part.tokenizer.batch_decode(written, skip_special_tokens=True)]

        return self._by_length(prompts, write)

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Set the answers to rank; with none, answers are generated."""
        self._vocabulary = tuple(vocabulary)

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[Answer]:
        """Answer by ranking the answers set, else by generating.

        Ranked: the 128 likeliest by their first token are ordered by the decoder's loss, confidence is the best
        one's share among them. Generated: three beams, confidence is the geometric mean of the token
        probabilities.
        """
        part = self._answering
        cleaned = [clean_question(question) for question in questions]
        ids = unpadded(part.tokenizer, cleaned, encoder_token(part.config))
        states = self._states(part, images)
        answer = self._rank if self._vocabulary else self._write

        def answers(rows: torch.Tensor, question_ids: torch.Tensor) -> list[Answer]:
            return answer(part, part.question_states(states[rows], question_ids))

        return self._by_length(ids, answers)

    def _write(self, part: Answering, states: torch.Tensor) -> list[Answer]:
        written = part.write(states, output_scores=True, return_dict_in_generate=True, **_ANSWER)
        texts = part.tokenizer.batch_decode(written.sequences, skip_special_tokens=True)
        scores = written.sequences_scores.tolist()
        return [Answer(text.strip(), math.exp(score)) for text, score in zip(texts, scores, strict=True)]

    def _rank(self, part: Answering, states: torch.Tensor) -> list[Answer]:
        encoded = part.tokenizer(list(self._vocabulary), padding="longest", return_tensors="pt")
        answers, mask = (encoded[key].to(states.device) for key in ("input_ids", "attention_mask"))
        answers[:, 0] = decoder_token(part.config)
        k = min(_RANKED_ANSWERS, len(self._vocabulary))
        ranked = [part.rank(states[row : row + 1], answers, mask, k) for row in range(len(states))]
        return [Answer(self._vocabulary[int(order[0])], float(shares[0])) for order, shares in ranked]

    def _by_length(
        self,
        prompts: Sequence[Sequence[int]],
        run: Callable[[torch.Tensor, torch.Tensor], Sequence[Result]],
    ) -> list[Result]:
        """Call ``run(rows, ids)`` on prompts of one length at a time, so that none is ever padded.

        Tiles have one size, the last row repeated, so that no result depends on what stands beside it.
        """
        lengths = np.array([len(prompt) for prompt in prompts])
        size = self._rows // _DECODED_SHARE
        results: dict[int, Result] = {}
        with inference(self._settings):
            for length in np.unique(lengths):
                members = np.flatnonzero(lengths == length)
                for start in range(0, len(members), size):
                    tile = members[start : start + size]
                    rows = np.pad(tile, (0, size - len(tile)), mode="edge")
                    ids = torch.tensor([prompts[row] for row in rows], device=self._settings.device)
                    results.update(zip(tile.tolist(), run(torch.tensor(rows), ids), strict=False))
        return [results[row] for row in range(len(prompts))]

    def _states(self, part: Part, images: Sequence[Image]) -> torch.Tensor:
        with inference(self._settings):
            return self._tiles(part.image_states, np.stack([part.preprocess(image) for image in images]))

    def _tiles(
        self, forward: Callable[[torch.Tensor], torch.Tensor], inputs: npt.NDArray[Any]
    ) -> torch.Tensor:
        device = self._settings.device
        return run_in_tiles(lambda tile: forward(tile.to(device)), torch.tensor(inputs), self._rows)

    def _matching_logits(self, images: Embeddings, texts: Embeddings) -> torch.Tensor:
        return matching_logits(self._retrieval.match, images, texts, self._settings)

    @cached_property
    def _retrieval(self) -> Retrieval:
        return self._loaded("itm", load_retrieval)

    @cached_property
    def _captioning(self) -> Captioning:
        return self._loaded("caption", load_captioning)

    @cached_property
    def _answering(self) -> Answering:
        return self._loaded("vqa", load_answering)

    def _loaded(self, part: str, load: Callable[[Source, str], LoadedPart]) -> LoadedPart:
        if part not in self._found:
            raise WeightsError(self._absent(part))
        return load(self._found[part], self._settings.device)

    def _absent(self, part: str) -> str:
        return (
            f"{self.name} has no model of {_PURPOSES[part]}; give a folder that has one as {part}/ "
            f"(there: {', '.join(self._found)})"
        )
